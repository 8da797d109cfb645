import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Demo } from './demo.js';
import { DemoSink } from './demo-sink.js';
import { type Options, parseOptions } from './options.js';
import { Platform } from './platform.js';
import { portsWithOffset, takenPorts, type Ports } from './ports.js';
import { demoLines, placeLines, tryLines } from './report.js';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
const say = (line: string): void => console.log(line);

function fail(error: unknown): never {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

/** Refuses to start when a port is taken: half a platform is worse than none. */
async function checkPorts(ports: Ports, options: Options): Promise<void> {
  const names = (Object.keys(ports) as (keyof Ports)[]).filter((name) => {
    if (name === 'postgres') return !process.env['DATABASE_URL'];
    if (name === 'nats') return !process.env['NATS_URL'];
    return name !== 'demo' || options.withDemo;
  });
  const taken = await takenPorts(ports, names);
  if (taken.length > 0) {
    fail(
      `These ports are taken: ${taken.join(', ')}.\nStart with other ports: npm start -- --port-offset 100`,
    );
  }
}

async function runDemo(
  platform: Platform,
  sink: DemoSink,
  options: Options,
  keep: (demo: Demo) => void,
): Promise<string[]> {
  const demo = new Demo(options.dataDir, platform.local, sink);
  keep(demo);
  await sink.start();
  const state = await demo.prepare();
  const { tenant, apiKey, sourceId, destinationId } = state;
  platform.local.demo = { tenant, apiKey, sourceId, destinationId };
  for (const line of demoLines(await demo.run(state), sink)) say(line);
  return tryLines(platform.local, state);
}

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2), process.cwd());
  const ports = portsWithOffset(options.portOffset);
  const platform = new Platform(root, options, ports, say);
  let demo: Demo | undefined;
  const sink = new DemoSink(ports.demo, () => demo?.state?.signingSecret);

  let stopping: Promise<void> | undefined;
  const stop = (code: number): Promise<void> =>
    (stopping ??= (async () => {
      say('Stopping …');
      await platform.stop();
      if (options.withDemo) await sink.stop();
      process.exit(code);
    })());
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop(0));
  process.on('SIGUSR2', () => void platform.roll());

  // A refusal touches nothing: what runs here is another process's.
  await platform.endLeftovers();
  await checkPorts(ports, options);
  try {
    await platform.start();
    const lines = options.withDemo ? await runDemo(platform, sink, options, (made) => (demo = made)) : [];
    await platform.writeLocalFile();
    for (const line of [...placeLines(platform.local, options.dataDir), ...lines]) say(line);
    say('\nPosthorn is up. Ctrl-C stops it.');
  } catch (error) {
    // Stopped meanwhile: its steps end in errors, which say nothing then.
    if (stopping === undefined) console.error(error instanceof Error ? error.message : error);
    await stop(1);
  }
}

await main().catch(fail);
