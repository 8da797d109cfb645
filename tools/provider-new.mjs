// `npm run provider:new <id>`: stamps the folder of a provider. It compiles, and its conformance suite says what is missing.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const [id] = process.argv.slice(2);
const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'libs/providers/src', id ?? '');
if (!/^[a-z][a-z0-9-]*$/.test(id ?? '') || existsSync(folder)) {
  console.error('usage: npm run provider:new <id-in-kebab-case>, an ID that is not there yet');
  process.exit(1);
}
const name = id.replaceAll(/-(\w)/g, (_, char) => char.toUpperCase());
mkdirSync(folder);
const write = (file, text) => writeFileSync(join(folder, file), text);

write(
  `${id}.ts`,
  `import { AppError } from '@posthorn/errors/app-error.js';
import { type z } from 'zod';
import type { ProviderRequest } from '../provider-request.js';
import { COMMON_SETTINGS, refuse, unrecognizedEvent } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, Verdict } from '../provider.js';

const settings = COMMON_SETTINGS.extend({});
type Settings = z.output<typeof settings>;

/** ${id}: which webhooks, which scheme. */
export const ${name}: Provider<Settings> = {
  id: '${id}',
  name: '${id}',
  documentation: 'https://example.com/',
  schemes: [],
  methods: ['POST'],
  settings,
  secretRequired: true,

  validateSecret(value: string): void {
    if (value === '') throw new AppError('secret.invalid', { detail: 'expected a secret' });
  },

  verify(): Verdict {
    return refuse('signature.missing', 'no scheme is written yet');
  },

  parse(request: ProviderRequest): readonly ProviderEvent[] {
    return [unrecognizedEvent(request.body.toString('base64url').slice(0, 64), 'no event is known yet')];
  },

  answer(): ProviderAnswer {
    return { status: 204 };
  },
};
`,
);
write(
  `${id}.spec.ts`,
  `import { describeConformance, readVectors } from '../conformance.js';
import { ${name} } from './${id}.js';

describeConformance(${name}, readVectors('./${id}.vectors.json', import.meta.url));
`,
);
write(`${id}.vectors.json`, '{ "vectors": [] }\n');
write(
  'README.md',
  `# ${id}\n\nHeaders, algorithm, tolerance, retry policy; each fact with its link and the date it was read.\n`,
);
console.log(
  `${folder}\nNext: its line in libs/providers/src/registry.ts, its vectors (each says where it came from), its README.`,
);
