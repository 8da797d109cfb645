/** Who connects to whom, as the page of operations says it: a test of the chart holds that to the programs. */
export interface Drawing {
  /** By service, in the order of the page. */
  readonly calls: ReadonlyMap<string, readonly string[]>;
  readonly stores: ReadonlyMap<string, readonly string[]>;
  /** Those that call the internet. */
  readonly callsOut: ReadonlySet<string>;
}

/** Open to anybody: providers and people come here. */
const DOORS = ['ingress', 'api'];
/** Pods of no component: nothing holds them back but the policies of whom they call. */
export const STRANGERS = ['stranger', 'foreigner'];
/** Not one of ours, so only the policies of the caller can close it. */
const ELSEWHERE = ['dns', 'kubernetes', 'node', 'internet'];

/** @param page docs/operations.md. @throws Error when its table is not there. */
export function readDrawing(page: string): Drawing {
  const section = page.slice(page.indexOf('## Who connects to whom')).split('\n## ')[0]!;
  const rows = [...section.matchAll(/^\| `([a-z]+)` *\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm)];
  if (rows.length === 0) throw new Error('docs/operations.md has no table of who connects to whom');
  const namesIn = (text: string): string[] => [...text.matchAll(/`([a-z]+)`/g)].map(([, name]) => name!);
  const storesIn = (text: string): string[] =>
    ['postgres', 'nats'].filter((store) => text.toLowerCase().includes(store));
  return {
    calls: new Map(rows.map(([, name, calls]) => [name!, namesIn(calls!)])),
    stores: new Map(rows.map(([, name, , stores]) => [name!, storesIn(stores!)])),
    callsOut: new Set(
      rows.filter(([, , , , outside]) => /(^|; | )calls /.test(outside!)).map(([, name]) => name!),
    ),
  };
}

/** Every place that a way may lead to: `<service>`, `<service> health`, the stores, and what is not ours. */
export const targetsOf = ({ calls }: Drawing): string[] => [
  ...calls.keys(),
  ...[...calls.keys()].filter((service) => !DOORS.includes(service)).map((service) => `${service} health`),
  ...['postgres', 'nats'],
  ...ELSEWHERE,
];

/** Every place that a way may begin at. */
export const placesOf = ({ calls }: Drawing): string[] => [
  ...calls.keys(),
  ...['postgres', 'nats', 'migration'],
  ...STRANGERS,
];

/** Whether the drawing has that way; a stranger comes in by the doors alone, and goes elsewhere as it likes. */
export function isDrawn(drawing: Drawing, from: string, to: string): boolean {
  if (STRANGERS.includes(from)) return DOORS.includes(to) || ELSEWHERE.includes(to);
  // A server is one pod: to itself it goes past every policy.
  if (from === to && (from === 'postgres' || from === 'nats')) return true;
  if (from === 'migration') return to === 'postgres' || to === 'dns';
  if (to === 'dns') return drawing.calls.has(from);
  if (to === 'internet') return drawing.callsOut.has(from);
  return [...(drawing.calls.get(from) ?? []), ...(drawing.stores.get(from) ?? [])].includes(to);
}
