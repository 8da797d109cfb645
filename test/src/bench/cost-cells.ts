import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { type Random } from '../wire/random.js';
import { type Cell, round, watchCpu } from './cell.js';
import { BenchChild } from './child.js';

/** What protects, and can be measured with and without. */
export const COST_PARTS = ['encryption', 'rls', 'quota', 'audit'] as const;
export type CostPart = (typeof COST_PARTS)[number];

/** The same work, with its part or without. */
export interface CostCommand {
  readonly part: CostPart;
  readonly isOn: boolean;
  readonly durationMs: number;
}

export interface CostAnswer {
  readonly events: number;
}

/** Where the tables are. */
export interface CostPlace {
  readonly url: string;
  readonly postgresPid: number;
  readonly passwordFile: string;
}

/** Both sides of a part so often, in turns: what else the machine does meets both. */
const TURNS = 3;
/** Of the time of a cell, for one side once; all of them together take the time of two and a half cells. */
const SHARE = 0.1;
const WARM_UP_MS = 200;
const BYPASS_ROLE = 'bench_bypass_rls';

/**
 * What encryption, row-level security, quotas and audit cost. The product has no switch for any of them, so each is measured on
 * its own, in its real code and on the real tables, and beside it the same work without.
 */
export async function measureCosts(
  place: CostPlace,
  block: number,
  cellMs: number,
  random: Random,
): Promise<Cell> {
  const password = (await readFile(place.passwordFile, 'utf8')).trim();
  const bypassRole = await makeBypassRole(place.url, password);
  const child = await BenchChild.start<CostCommand, CostAnswer>('costs.main.js', [
    place.url,
    password,
    bypassRole,
  ]);
  const figures: Record<string, number> = {};
  try {
    for (const part of random.shuffled(COST_PARTS))
      Object.assign(figures, await measurePart(child, place, part, cellMs));
  } finally {
    await child.stop();
  }
  return { subject: 'costs', block, figures, cpuMicros: {}, problems: [] };
}

async function measurePart(
  child: BenchChild<CostCommand, CostAnswer>,
  { postgresPid }: CostPlace,
  part: CostPart,
  cellMs: number,
): Promise<Record<string, number>> {
  const spent = { on: 0, off: 0 };
  const done = { on: 0, off: 0 };
  for (const isOn of [true, false]) await child.ask({ part, isOn, durationMs: WARM_UP_MS });
  for (let turn = 0; turn < TURNS; turn++) {
    for (const side of turn % 2 === 0 ? (['on', 'off'] as const) : (['off', 'on'] as const)) {
      const cpu = watchCpu({ node: child.pid, postgres: postgresPid });
      const { events } = await child.ask({ part, isOn: side === 'on', durationMs: cellMs * SHARE });
      const { node, postgres } = cpu(events) as { node: number; postgres: number };
      spent[side] += (node + postgres) * events;
      done[side] += events;
    }
  }
  const micros = (side: 'on' | 'off'): number => spent[side] / Math.max(1, done[side]);
  return {
    [`${part}OnMicros`]: round(micros('on')),
    [`${part}OffMicros`]: round(micros('off')),
    [`${part}Micros`]: round(micros('on') - micros('off')),
  };
}

/** A role that may do what the role of the append may, and that no policy binds. */
async function makeBypassRole(url: string, password: string): Promise<string> {
  const db = new pg.Client({ connectionString: url });
  await db.connect();
  try {
    await db.query(`DROP ROLE IF EXISTS ${BYPASS_ROLE}`);
    await db.query(
      `CREATE ROLE ${BYPASS_ROLE} LOGIN BYPASSRLS PASSWORD ${db.escapeLiteral(password)} IN ROLE posthorn_events_append`,
    );
  } finally {
    await db.end();
  }
  return BYPASS_ROLE;
}

type Table = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** Which processes take an event in. */
const INTAKE = ['ingress', 'events', 'postgres'];
const WHAT: Readonly<Record<CostPart, string>> = {
  encryption: 'sealing a request and its content',
  rls: 'appending under row-level security',
  quota: "asking the tenant's quota",
  audit: 'an act with its audit entry',
};

/** The table of costs as text; undefined when they were not measured. @param medians of figures. @param cpu medians of CPU. */
export function costTable(medians: Table, cpu: Table): string | undefined {
  const figures = medians['costs'];
  if (figures === undefined) return undefined;
  const intake = Object.entries(cpu['burst256'] ?? {})
    .filter(([name]) => INTAKE.some((each) => name.startsWith(each)))
    .reduce((sum, [, micros]) => sum + micros, 0);
  const rows = COST_PARTS.map((part) => {
    const [on, off, cost] = ['On', 'Off', ''].map((side) => figures[`${part}${side}Micros`]!) as [
      number,
      number,
      number,
    ];
    // An act of staff is no event of intake.
    const share = part === 'audit' || intake === 0 ? '–' : `${((100 * cost) / intake).toFixed(1)} %`;
    return [WHAT[part], on.toFixed(1), off.toFixed(1), cost.toFixed(1), share];
  });
  const all = [['µs of CPU each', 'with', 'without', 'cost', "of the intake's"], ...rows];
  const widths = all[0]!.map((_cell, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A seed of its own for each block. */
export const costSeed = (seed: number, block: number): number => seed + 7_919 * (block + 1);
