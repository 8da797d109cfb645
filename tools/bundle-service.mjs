import { build } from 'esbuild';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

/** Nest loads them by itself with `createRequire`, which bundlers do not see; a server of one copy refuses credentials of another. */
const LOADED_BY_NEST = ['@grpc/grpc-js', '@grpc/proto-loader'];
/** Named in code that we never run, and not installed. */
const ABSENT = [
  '@fastify/multipart',
  '@fastify/static',
  '@fastify/view',
  '@nestjs/platform-express',
  '@nestjs/websockets',
  'amqp-connection-manager',
  'class-transformer',
  'class-validator',
  'ioredis',
  'kafkajs',
  'mqtt',
  'pg-native',
];
/** Packages written for CommonJS ask for Node's modules with it. */
const REQUIRE =
  "import { createRequire as requireFrom } from 'node:module';\nconst require = requireFrom(import.meta.url);";

/**
 * Makes one file of a compiled service and all that it imports: `dist/main.js`, in place of the one that only imports.
 * Why: a process that is killed is back when its modules are loaded, and 1,400 files take three times as long as one
 * (docs/adr/0009). Runs after SWC: what has no decorators left can be bundled by esbuild.
 * @param project folder of the service; it and what it depends on are compiled.
 */
export async function bundleService(project) {
  const main = join(project, 'dist/main.js');
  await build({
    entryPoints: [main],
    outfile: main,
    allowOverwrite: true,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Spreads of literals become what they mean: V8 often leaves its fast paths for an object put together of spreads.
    minifySyntax: true,
    external: [...LOADED_BY_NEST, ...ABSENT],
    banner: { js: REQUIRE },
    sourcemap: 'linked',
    sourcesContent: false,
    plugins: [ourMapsOnly],
    logLevel: 'warning',
  });
}

/**
 * Node reads the whole map at the start: of packages, whose code is most of it, it says the file and not the line. (Without
 * any map of its own esbuild would describe each of their lines.)
 */
const ourMapsOnly = {
  name: 'our-maps-only',
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, async ({ path }) => {
      const map = JSON.stringify({ version: 3, sources: [basename(path)], mappings: 'AAAA' });
      const url = `data:application/json;base64,${Buffer.from(map).toString('base64')}`;
      const code = await readFile(path, 'utf8');
      return { contents: `${code}\n//# sourceMappingURL=${url}`, loader: 'default' };
    });
  },
};
