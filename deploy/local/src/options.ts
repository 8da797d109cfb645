import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';

/** What the command line says. */
export interface Options {
  readonly withDemo: boolean;
  readonly portOffset: number;
  /** Absolute. */
  readonly dataDir: string;
  readonly ingressProcesses: number;
  /** Extra environment for single services: service → variable → value. */
  readonly serviceEnv: ReadonlyMap<string, Readonly<Record<string, string>>>;
}

const USAGE = `usage: npm start -- [--no-demo] [--port-offset N] [--data DIR] [--ingress-processes N] [--service-env service.NAME=value]`;
const PORT_OFFSET_MAX = 50_000;
const INGRESS_PROCESSES_MAX = 64;

/**
 * Half of the cores: everything else runs on them too. On two cores one process takes a quarter less CPU for a STOP than
 * two, and the median answer comes sooner (2026-11, docs/performance.md).
 */
export const ingressProcessesFor = (cores: number): number =>
  Math.min(INGRESS_PROCESSES_MAX, Math.max(1, Math.floor(cores / 2)));

/**
 * Reads the arguments of `npm start`.
 * @throws Error with the usage line when an argument is not known.
 */
export function parseOptions(args: readonly string[], cwd: string): Options {
  let [withDemo, portOffset, dataDir] = [true, 0, resolve(cwd, '.posthorn')];
  let ingressProcesses = ingressProcessesFor(availableParallelism());
  const serviceEnv = new Map<string, Record<string, string>>();
  const rest = [...args];
  const value = (name: string): string => {
    const next = rest.shift();
    if (next === undefined) throw new Error(`${name} needs a value\n${USAGE}`);
    return next;
  };
  for (let argument = rest.shift(); argument !== undefined; argument = rest.shift()) {
    if (argument === '--no-demo') withDemo = false;
    else if (argument === '--port-offset') portOffset = integer(argument, value(argument), PORT_OFFSET_MAX);
    else if (argument === '--data') dataDir = resolve(cwd, value(argument));
    else if (argument === '--ingress-processes')
      ingressProcesses = Math.max(1, integer(argument, value(argument), INGRESS_PROCESSES_MAX));
    else if (argument === '--service-env') addServiceEnv(serviceEnv, value(argument));
    else throw new Error(`unknown argument ${argument}\n${USAGE}`);
  }
  return { withDemo, portOffset, dataDir, ingressProcesses, serviceEnv };
}

function integer(name: string, text: string, max: number): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0 || number > max)
    throw new Error(`${name} takes a whole number from 0 to ${max}\n${USAGE}`);
  return number;
}

function addServiceEnv(serviceEnv: Map<string, Record<string, string>>, text: string): void {
  const match = /^([a-z]+)\.([A-Z0-9_]+)=(.*)$/s.exec(text);
  if (match === null) throw new Error(`--service-env takes service.NAME=value\n${USAGE}`);
  const [, service, name, value] = match as unknown as [string, string, string, string];
  serviceEnv.set(service, { ...serviceEnv.get(service), [name]: value });
}
