import { type Bound } from './bound.js';

/** The medians that the goals are judged by. Rates a second, latencies milliseconds. */
export interface Measured {
  readonly bound: Bound;
  readonly intake: Readonly<Record<'16' | '64' | '256', number>>;
  readonly oneCommit: Readonly<Record<'64' | '256', number>>;
  readonly sustained: number;
  readonly ackP99: number;
  readonly firstByte200: { readonly p50: number; readonly p99: number };
  readonly firstByte1k: { readonly p50: number; readonly p99: number };
  readonly dispatch: number;
  readonly bareDispatch: number;
  /** STOP at 500/s, until its 2xx. */
  readonly stopP99: number;
  /** A burst with one opt-out in a hundred, and one without. */
  readonly optOutIntake: { readonly with: number; readonly without: number };
  readonly permits: number;
  readonly lost: number;
}

/** One line of the table. */
export interface Goal {
  readonly what: string;
  readonly value: string;
  readonly must: string;
  readonly stretch: string;
  readonly outcome: 'stretch' | 'must' | 'short';
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const perSecond = (rate: number): string => `${rate.toFixed(0)} /s`;
const times = (factor: number): string => `${factor.toFixed(2)} ×`;
const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;

function atLeast(
  what: string,
  value: number,
  must: number,
  stretch: number,
  show: (value: number) => string,
): Goal {
  const outcome = value >= stretch ? 'stretch' : value >= must ? 'must' : 'short';
  return { what, value: show(value), must: `≥ ${show(must)}`, stretch: `≥ ${show(stretch)}`, outcome };
}

function atMost(what: string, value: number, must: number, stretch: number): Goal {
  const outcome = value <= stretch ? 'stretch' : value <= must ? 'must' : 'short';
  return { what, value: ms(value), must: `≤ ${ms(must)}`, stretch: `≤ ${ms(stretch)}`, outcome };
}

/** WebhookX, sync source, measured on a machine of this kind: what the best durable peer takes at 16, 64, 256. */
const PEER = { '16': 3_350, '64': 3_450, '256': 3_800 } as const;
const PEER_SUSTAINED = 750;

/** The table of DESIGN, filled in. */
export function goalsOf(measured: Measured): Goal[] {
  const { bound, intake, oneCommit, sustained, firstByte200, firstByte1k } = measured;
  const ofBound = (rate: number): number => rate / bound.total;
  const burst = Math.max(...Object.values(intake));
  const optOutShare = measured.optOutIntake.with / measured.optOutIntake.without;
  return [
    atLeast('intake burst, of B', ofBound(burst), 0.35, 0.5, percent),
    atLeast('… against one commit per event, 64 connections', intake['64'] / oneCommit['64'], 3, 5, times),
    atLeast('… against one commit per event, 256 connections', intake['256'] / oneCommit['256'], 3, 5, times),
    atLeast('… against the durable peer at 16 (recorded)', intake['16'] / PEER['16'], 1.5, 1.5, times),
    atLeast('… at 64', intake['64'] / PEER['64'], 2, 2, times),
    atLeast('… at 256', intake['256'] / PEER['256'], 3, 3, times),
    atLeast('accepted and delivered, of B', ofBound(sustained), 0.1, 0.2, percent),
    atLeast('… against the durable peer (recorded)', sustained / PEER_SUSTAINED, 3, 3, times),
    atMost('ack at 2 k/s, open loop, p99', measured.ackP99, 20, 10),
    atMost('sent → first byte at 200/s, p50', firstByte200.p50, 15, 5),
    atMost('sent → first byte at 200/s, p99', firstByte200.p99, 60, 15),
    atMost('sent → first byte at 1 k/s, p50', firstByte1k.p50, 50, 50),
    atMost('sent → first byte at 1 k/s, p99', firstByte1k.p99, 250, 100),
    atLeast('dispatch, of a bare client loop', measured.dispatch / measured.bareDispatch, 0.5, 0.7, percent),
    atMost('STOP at 500/s, open loop, p99', measured.stopP99, 50, 25),
    atLeast('intake with 1 % opt-outs, of one without', optOutShare, 0.85, 0.95, percent),
    atLeast('permits given and closed a second (gRPC)', measured.permits, 500, 1_500, perSecond),
    {
      what: 'acknowledged, but not stored',
      value: String(measured.lost),
      must: '0',
      stretch: '0',
      outcome: measured.lost === 0 ? 'stretch' : 'short',
    },
  ];
}

/** The table as text. */
export function tableOf(goals: readonly Goal[]): string {
  const mark = { stretch: 'stretch reached', must: 'must reached', short: 'SHORT' } as const;
  const rows = [
    ['what', 'measured', 'must', 'stretch', ''],
    ...goals.map(({ what, value, must, stretch, outcome }) => [what, value, must, stretch, mark[outcome]]),
  ];
  const widths = rows[0]!.map((_cell, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
