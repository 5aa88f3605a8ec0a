// Shows the description of the calls, with a form to try each.
SwaggerUIBundle({
  url: "/openapi.yaml",
  dom_id: "#page",
  deepLinking: true,
  // A token would stay in the browser for the next person otherwise.
  persistAuthorization: false,
  // No answer of ours is to be sent to anybody else.
  validatorUrl: null,
  tryItOutEnabled: true,
});
