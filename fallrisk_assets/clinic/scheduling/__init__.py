"""The external scheduling API as a source: pulled over HTTP, dropped like any file of the clinic."""
