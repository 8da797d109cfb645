// Three sizes of tests (see CONTRIBUTING.md). All run natively as ES modules against the sources: the
// custom condition `posthorn-source` makes every `@posthorn/…` import resolve to a .ts file.
const shared = {
  testEnvironment: 'node',
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        configFile: false,
        swcrc: false,
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true },
          target: 'es2022',
          keepClassNames: true,
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
  extensionsToTreatAsEsm: ['.ts'],
  resolver: '<rootDir>/tools/jest-resolver.cjs',
  testEnvironmentOptions: { customExportConditions: ['posthorn-source', 'node', 'node-addons'] },
  transformIgnorePatterns: ['/node_modules/'],
  modulePathIgnorePatterns: ['/dist/', '/.nx/', '/.posthorn/'],
};
const servers = {
  globalSetup: '<rootDir>/libs/testing/src/jest-global-setup.ts',
  globalTeardown: '<rootDir>/libs/testing/src/jest-global-teardown.ts',
};

export default {
  testTimeout: 30_000,
  projects: [
    {
      ...shared,
      displayName: 'small',
      testMatch: [
        '<rootDir>/{apps,libs}/*/src/**/*.spec.ts',
        '<rootDir>/deploy/local/src/**/*.spec.ts',
        '<rootDir>/test/{src,house}/**/*.spec.ts',
      ],
    },
    {
      ...shared,
      ...servers,
      displayName: 'medium',
      testMatch: [
        '<rootDir>/apps/*/test/**/*.int.spec.ts',
        '<rootDir>/test/platform/**/*.int.spec.ts',
        // The chart, rendered by a real helm.
        '<rootDir>/helm/*/test/**/*.spec.ts',
      ],
    },
    {
      ...shared,
      displayName: 'system',
      testMatch: ['<rootDir>/test/system/**/*.system.spec.ts'],
      globalSetup: '<rootDir>/test/src/house/jest-shared-setup.ts',
      globalTeardown: '<rootDir>/test/src/house/jest-shared-teardown.ts',
    },
  ],
};
