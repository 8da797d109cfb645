import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

const clockOnly = [
  {
    selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    message: 'Ask a Clock (libs/clock).',
  },
  { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: 'Ask a Clock (libs/clock).' },
];
const noDefaultExport = [{ selector: 'ExportDefaultDeclaration', message: 'Named exports only.' }];
const noBarrel = [{ selector: 'ExportAllDeclaration', message: 'No star exports: name what you export.' }];

export default tseslint.config(
  { ignores: ['**/dist/', '**/node_modules/', '.nx/', '**/.posthorn/', 'libs/contracts/src/gen/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    plugins: { '@nx': nx },
    rules: {
      'max-lines': ['error', { max: 400 }],
      'max-lines-per-function': ['error', { max: 70, skipComments: true, skipBlankLines: true }],
      'no-restricted-syntax': ['error', ...clockOnly, ...noDefaultExport, ...noBarrel],
      'no-console': 'error',
      eqeqeq: 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { prefer: 'type-imports', fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: false,
          allow: [],
          depConstraints: [
            {
              sourceTag: 'type:app',
              onlyDependOnLibsWithTags: [
                'layer:platform',
                'layer:contract',
                'layer:domain',
                'layer:base',
                'layer:test',
              ],
              bannedExternalImports: ['undici', 'axios'],
            },
            { sourceTag: 'layer:platform', onlyDependOnLibsWithTags: ['layer:contract', 'layer:base'] },
            {
              sourceTag: 'layer:domain',
              onlyDependOnLibsWithTags: ['layer:base'],
              bannedExternalImports: ['@nestjs/*', 'typeorm', 'pg', '@grpc/*', '@nats-io/*', 'fastify'],
            },
            { sourceTag: 'layer:contract', onlyDependOnLibsWithTags: [], bannedExternalImports: ['typeorm'] },
            {
              sourceTag: 'layer:base',
              onlyDependOnLibsWithTags: ['layer:base'],
              bannedExternalImports: ['@nestjs/*', 'typeorm', 'pg', '@grpc/*', '@nats-io/*', 'fastify'],
            },
            {
              sourceTag: 'layer:test',
              onlyDependOnLibsWithTags: [
                'layer:test',
                'layer:platform',
                'layer:contract',
                'layer:domain',
                'layer:base',
              ],
            },
          ],
        },
      ],
    },
  },
  {
    // Why: decorator metadata needs the value import of every injected class; a type-only import would
    // inject undefined. Transport is the only room with decorators.
    files: ['apps/*/src/transport/**/*.ts', 'apps/*/src/*.module.ts'],
    rules: { '@typescript-eslint/consistent-type-imports': 'off' },
  },
  {
    files: ['apps/*/src/**/*.ts'],
    rules: { 'no-restricted-globals': ['error', { name: 'fetch', message: 'Use libs/egress.' }] },
  },
  {
    files: ['libs/clock/src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ...noDefaultExport, ...noBarrel] },
  },
  {
    // Measuring programs and Jest's own hooks: they own their process, and Jest asks for default exports.
    files: ['test/**/*.ts', 'deploy/local/**/*.ts', 'libs/testing/src/**/*.ts'],
    rules: { 'no-console': 'off', 'no-restricted-syntax': ['error', ...noBarrel] },
  },
  { files: ['**/*.spec.ts'], rules: { 'max-lines-per-function': 'off' } },
);
