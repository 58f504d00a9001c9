// Shows /v1/openapi.yaml with swagger-ui.

// Operations of the admin address are read here and not tried: this page asks its own address only.
const readOnly = { statePlugins: { spec: { wrapSelectors: {
  allowTryItOutFor: (original) => (state, path, method) => !path.startsWith('/admin/') && original(state, path, method),
} } } };

SwaggerUIBundle({
  url: '/v1/openapi.yaml',
  dom_id: '#reference',
  deepLinking: true,
  validatorUrl: null, // it would ask a server of somebody else's
  supportedSubmitMethods: ['get'],
  defaultModelsExpandDepth: 0,
  plugins: [readOnly],
});
