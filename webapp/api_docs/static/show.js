// Shows /openapi.json. A key that is given to Authorize is kept nowhere: it is gone with the page.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  filter: true,
  persistAuthorization: false,
  // Nobody else is asked whether the document is valid.
  validatorUrl: null,
});
