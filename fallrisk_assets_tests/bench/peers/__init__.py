"""Scripts that run in the peers' environment: they import no module of the product."""
