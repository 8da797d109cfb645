import { readFile } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { SERVICES, type ServiceName } from './service-environment.js';

/** Whose code each service runs: the root of a clone that is ready to run. In the order in which they move. */
export type Roots = ReadonlyMap<ServiceName, string>;

/**
 * Reads `<data>/roots.json`, `{"ingress": "/absolute/path", …}`: in the order of the file, then the rest, which run from
 * `ownRoot`. All of them do where there is no file.
 * @throws Error that says what is wrong with the file.
 */
export async function readRoots(file: string, ownRoot: string): Promise<Roots> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    text = '{}';
  }
  return parseRoots(text, ownRoot);
}

/** @throws Error that says what is wrong with it. */
export function parseRoots(text: string, ownRoot: string): Roots {
  const given = JSON.parse(text) as unknown;
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new Error('roots.json is no object of service: root');
  const roots = new Map<ServiceName, string>();
  for (const [name, root] of Object.entries(given)) {
    const service = SERVICES.find((each) => each === name);
    if (service === undefined)
      throw new Error(`roots.json names ${name}; the services are ${SERVICES.join(', ')}`);
    if (typeof root !== 'string' || !isAbsolute(root))
      throw new Error(`roots.json: the root of ${name} is no absolute path`);
    roots.set(service, root);
  }
  for (const service of SERVICES) if (!roots.has(service)) roots.set(service, ownRoot);
  return roots;
}

/** The services that do not run from where they should, in the order in which they move. */
export const movedServices = (running: Readonly<Record<string, string>>, wanted: Roots): ServiceName[] =>
  [...wanted].filter(([service, root]) => running[service] !== root).map(([service]) => service);
