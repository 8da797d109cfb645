import { type Bound, boundOf } from './bound.js';
import { type Cell } from './cell.js';
import { type Measured, median } from './goals.js';

/** What all blocks come to; parts whose cells did not run are undefined. */
export interface Summary {
  readonly bound: Bound | undefined;
  readonly measured: Measured | undefined;
  /** Median of each figure of each subject. */
  readonly medians: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Median CPU microseconds an event of each subject and process. */
  readonly cpuMicros: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

/** Medians over the blocks; the bound from the same run; the goals where everything for them was measured. */
export function summarize(cells: readonly Cell[], cores: number): Summary {
  const medians = mediansOf(cells, ({ figures }) => figures);
  const cpuMicros = mediansOf(cells, (cell) => cell.cpuMicros);
  const bound = boundIn(medians, cpuMicros, cores);
  const lost = cells.reduce((sum, { figures }) => sum + (figures['lost'] ?? 0), 0);
  return {
    bound,
    measured: bound === undefined ? undefined : measuredIn(medians, bound, lost),
    medians,
    cpuMicros,
  };
}

type Table = Readonly<Record<string, Readonly<Record<string, number>>>>;

function mediansOf(cells: readonly Cell[], of: (cell: Cell) => Readonly<Record<string, number>>): Table {
  const table: Record<string, Record<string, number>> = {};
  for (const { subject } of cells) {
    const same = cells.filter((cell) => cell.subject === subject);
    const names = [...new Set(same.flatMap((cell) => Object.keys(of(cell))))];
    table[subject] ??= Object.fromEntries(
      names.map((name) => [name, median(same.flatMap((cell) => of(cell)[name] ?? []))]),
    );
  }
  return table;
}

function boundIn(medians: Table, cpu: Table, cores: number): Bound | undefined {
  if (['flush', 'bare', 'mac', 'batches'].some((subject) => medians[subject] === undefined)) return undefined;
  const httpMicros = cpu['bare']!['server']!;
  return boundOf({
    cores,
    flushesPerSecond: medians['flush']!['perSecond']!,
    generatorMicros: cpu['bare']!['generator']!,
    httpMicros,
    macMicros: Math.max(0, cpu['mac']!['server']! - httpMicros),
    postgresMicros: cpu['batches']!['postgres']!,
  });
}

function measuredIn(medians: Table, bound: Bound, lost: number): Measured | undefined {
  const rate = (subject: string): number => medians[subject]?.['perSecond'] ?? Number.NaN;
  const firstByte = (subject: string): { p50: number; p99: number } => ({
    p50: medians[subject]?.['sentToFirstByteP50Ms'] ?? Number.NaN,
    p99: medians[subject]?.['sentToFirstByteP99Ms'] ?? Number.NaN,
  });
  const measured: Measured = {
    bound,
    intake: { '16': rate('burst16'), '64': rate('burst64'), '256': rate('burst256') },
    oneCommit: { '64': rate('commit64'), '256': rate('commit256') },
    sustained: rate('sustained'),
    ackP99: medians['ack2k']?.['ackP99Ms'] ?? Number.NaN,
    firstByte200: firstByte('first200'),
    firstByte1k: firstByte('first1k'),
    dispatch: rate('dispatch'),
    bareDispatch: medians['dispatch']?.['barePerSecond'] ?? Number.NaN,
    stopP99: medians['stop500']?.['ackP99Ms'] ?? Number.NaN,
    optOutIntake: {
      with: rate('intakeOptOut'),
      without: medians['intakeOptOut']?.['plainPerSecond'] ?? Number.NaN,
    },
    permits: rate('permits'),
    lost,
  };
  const all = [...Object.values(measured.intake), ...Object.values(measured.oneCommit), measured.sustained];
  return [
    ...all,
    measured.ackP99,
    measured.firstByte200.p50,
    measured.firstByte1k.p50,
    measured.dispatch,
    measured.stopP99,
    measured.optOutIntake.with,
    measured.permits,
  ].some(Number.isNaN)
    ? undefined
    : measured;
}
