// The rooms inside an app, by path. The same folder names everywhere make one rule set serve six apps.
const room = (name) => `^apps/[^/]+/src/${name}/`;
const SPEC = '\\.spec\\.ts$';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'nest-stops-at-transport',
      severity: 'error',
      comment: '@nestjs only in main, module and transport',
      from: {
        path: '^apps/[^/]+/src/',
        pathNot: ['^apps/[^/]+/src/(main|app\\.module)\\.ts$', room('transport')],
      },
      to: { path: 'node_modules/@nestjs/' },
    },
    {
      name: 'typeorm-only-in-persistence',
      severity: 'error',
      from: { path: '^apps/[^/]+/src/', pathNot: [room('persistence')] },
      to: { path: 'node_modules/(typeorm|pg)/' },
    },
    {
      name: 'domain-is-pure',
      severity: 'error',
      from: { path: room('domain'), pathNot: SPEC },
      to: { path: '^(apps|libs)/', pathNot: [room('domain'), '^libs/(errors|clock|crypto|providers)/'] },
    },
    {
      name: 'domain-knows-no-io',
      severity: 'error',
      from: { path: room('domain'), pathNot: SPEC },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?crypto$' },
    },
    {
      name: 'application-knows-no-transport',
      severity: 'error',
      from: { path: room('(application|persistence|clients|domain)') },
      to: { path: room('transport') },
    },
    {
      name: 'persistence-and-clients-call-nobody',
      severity: 'error',
      from: { path: room('(persistence|clients)') },
      to: { path: room('application') },
    },
    {
      name: 'testing-only-from-specs',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: [SPEC, '^libs/testing/', '^apps/[^/]+/test/'] },
      to: { path: '^libs/testing/' },
    },
    {
      name: 'no-app-imports-an-app',
      severity: 'error',
      from: { path: '^apps/([^/]+)/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    { name: 'not-resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['/dist/', '\\.vectors\\.json$'] },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['posthorn-source', 'import', 'require', 'node', 'default'],
    },
  },
};
