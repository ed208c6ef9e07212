"""The routes, one module per subject; each has `router(services) -> APIRouter`."""
