import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, statSync } from 'node:fs';
import { mkdir, readFile, rename } from 'node:fs/promises';
import { connect } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ChildServer,
  exitOf,
  freePort,
  stopChild,
  stopLeftover,
  type StopStep,
} from './child-server.js';
import { findProgram } from './installed-program.js';

const START_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 20;
const STARTS_MAX = 5;
const LOG_BYTES_MAX = 10 * 1024 * 1024;
const NATS = {
  program: 'nats-server',
  package: 'nats-server',
  page: 'https://docs.nats.io/running-a-nats-service/introduction/installation',
};
const STOP: readonly StopStep[] = [
  { signal: 'SIGINT', waitMs: 10_000 },
  { signal: 'SIGKILL', waitMs: 5_000 },
];

/** Where JetStream keeps its files and where to listen. */
export interface NatsOptions {
  readonly storeDir: string;
  /** A free one without it, or when it is 0. */
  readonly port?: number;
  /** Stop it when this process is killed. Only where setpriv is there; a test run uses it. */
  readonly endsWithParent?: boolean;
  /** It speaks TLS only, and asks every client for a certificate of `caFile`. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string };
}

/** A running nats-server of our own, with JetStream. */
export interface NatsServer extends ChildServer {
  readonly url: string;
}

/**
 * Starts a nats-server with JetStream, listening on 127.0.0.1 only.
 * A server of the same folder that a killed run left behind is ended first.
 * @throws Error that names the command to install it when it is not there and cannot be installed.
 */
export async function startNats(options: NatsOptions): Promise<NatsServer> {
  const storeDir = resolve(options.storeDir);
  await mkdir(storeDir, { recursive: true, mode: 0o700 });
  const program = findNats();
  const pidFile = `${storeDir}.pid`;
  const left = Number(await readFile(pidFile, 'utf8').catch(() => ''));
  if (Number.isInteger(left) && left > 1) await stopLeftover(left, storeDir, STOP);
  for (let start = 1; ; start++) {
    const port = options.port === undefined || options.port === 0 ? await freePort() : options.port;
    const address = ['-a', '127.0.0.1', '-p', String(port)];
    const args = [...address, '-js', '-sd', storeDir, '-P', pidFile, ...tlsArguments(options.tls)];
    const { child, logFrom } = await launch(program, args, storeDir, options.endsWithParent === true);
    const exited = exitOf(child);
    if (await isReady(child, port)) {
      const url = `${options.tls === undefined ? 'nats' : 'tls'}://127.0.0.1:${port}`;
      return { url, port, pid: child.pid!, exited, stop: () => stopChild(child, exited, STOP) };
    }
    await stopChild(child, exited, STOP.slice(1));
    const words = (await readFile(`${storeDir}.log`)).subarray(logFrom).toString();
    if (start === STARTS_MAX || !/address already in use/.test(words))
      throw new Error(`nats-server did not start in ${storeDir}:\n${words}`);
    await delay(READY_POLL_MS);
  }
}

const tlsArguments = (tls: NatsOptions['tls']): string[] =>
  tls === undefined
    ? []
    : ['--tlsverify', '--tlscert', tls.certFile, '--tlskey', tls.keyFile, '--tlscacert', tls.caFile];

async function launch(
  program: string,
  args: readonly string[],
  storeDir: string,
  endsWithParent: boolean,
): Promise<{ child: ChildProcess; logFrom: number }> {
  const logFile = `${storeDir}.log`;
  if (existsSync(logFile) && statSync(logFile).size > LOG_BYTES_MAX) await rename(logFile, `${logFile}.1`);
  const logFrom = existsSync(logFile) ? statSync(logFile).size : 0;
  const withDeath = ['--pdeathsig', 'INT', program, ...args];
  const hasSetpriv = endsWithParent && spawnSync('setpriv', ['--pdeathsig', 'INT', 'true']).status === 0;
  const log = openSync(logFile, 'a', 0o600);
  try {
    // A group of its own: Ctrl-C at the terminal reaches only the program that stops everything in order.
    const child = spawn(hasSetpriv ? 'setpriv' : program, hasSetpriv ? withDeath : args, {
      stdio: ['ignore', log, log],
      detached: true,
    });
    return { child, logFrom };
  } finally {
    closeSync(log);
  }
}

async function isReady(child: ChildProcess, port: number): Promise<boolean> {
  for (let waited = 0; waited < START_TIMEOUT_MS; waited += READY_POLL_MS) {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return false;
    if (await greets(port)) return true;
    await delay(READY_POLL_MS);
  }
  return false;
}

/** Whether a NATS server speaks first there, as the protocol asks. */
function greets(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    const end = (isThere: boolean) => () => {
      socket.destroy();
      done(isThere);
    };
    socket.once('data', (chunk) => end(chunk.toString().startsWith('INFO '))());
    socket.once('error', end(false));
    socket.setTimeout(1_000, end(false));
  });
}

function findNats(): string {
  try {
    return findProgram(NATS);
  } catch (error) {
    throw new Error(`${(error as Error).message}, or set NATS_URL to a running one.`);
  }
}
