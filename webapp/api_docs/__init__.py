"""The documents of the API: OpenAPI and AsyncAPI, and the pages that show them."""
