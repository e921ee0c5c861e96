// Starts Swagger UI. A file and not an inline script, so that the page needs no 'unsafe-inline'.
"use strict";
const place = document.getElementById("swagger-ui");
window.ui = SwaggerUIBundle({
  url: place.dataset.spec,
  domNode: place,
  deepLinking: true,
  persistAuthorization: false,
  validatorUrl: null,
});
