import { Pool } from 'undici';
import { type LatencySummary } from '../load/latency.js';
import { type SourceTarget } from '../load/workload.js';
import { ahead } from '../wire/priority.js';
import { webhookKey, webhookSignature } from '../wire/signatures.js';
import { monotonicMs } from '../wire/time.js';
import { serve } from './child.js';
import { ClosedLoop, type ClosedLoopResult } from './closed-loop.js';
import { FixedRate } from './fixed-rate.js';
import { permitLoop, type PermitLoopOptions, type PermitLoopResult } from './permit-loop.js';
import { type Target } from './request-socket.js';
import { messageIdOf, SignedRequests } from './signed-requests.js';

const PREPARED_PER_SECOND = 25_000;

/** What the generator's process can be told. */
export type GeneratorCommand =
  | {
      readonly kind: 'closed';
      readonly run: string;
      readonly sources: readonly SourceTarget[];
      readonly connections: number;
      readonly warmUpMs: number;
      readonly durationMs: number;
      readonly requestsMax?: number;
      /** Each so many-th is a STOP. */
      readonly optOutEvery?: number;
      /** At most so many accepted and not yet delivered; `delivered` tells. */
      readonly window?: number;
    }
  /** How many deliveries have arrived since the run began. */
  | { readonly kind: 'delivered'; readonly total: number }
  | {
      readonly kind: 'open';
      readonly run: string;
      readonly sources: readonly SourceTarget[];
      readonly ratePerSecond: number;
      readonly warmUpMs: number;
      readonly durationMs: number;
      /** Every request is a STOP. */
      readonly isOptOut?: boolean;
    }
  | ({ readonly kind: 'permits' } & PermitLoopOptions)
  | {
      readonly kind: 'deliver';
      readonly url: string;
      readonly secret: string;
      readonly inFlight: number;
      readonly durationMs: number;
    };

/** What it answers. */
export interface GeneratorAnswer {
  readonly closed?: ClosedLoopResult;
  readonly open?: {
    readonly latency: LatencySummary;
    readonly sent: number;
    readonly skipped: number;
    readonly statuses: Readonly<Record<number, number>>;
    /** Of the time after the warm-up: message ID, when its request left, when its 2xx came. Monotonic milliseconds. */
    readonly acked: readonly (readonly [string, number, number])[];
  };
  readonly deliver?: { readonly perSecond: number };
  readonly permits?: PermitLoopResult;
}

type Of<K extends GeneratorCommand['kind']> = Extract<GeneratorCommand, { kind: K }>;

let windowed: { loop: ClosedLoop; window: number } | undefined;

async function closed(command: Of<'closed'>): Promise<GeneratorAnswer> {
  const requests = new SignedRequests(command.sources, command.run, command.optOutEvery);
  requests.prepare(
    command.requestsMax ?? ((command.warmUpMs + command.durationMs) / 1000) * PREPARED_PER_SECOND,
  );
  const loop = new ClosedLoop({ ...command, ...targetOf(command.sources), take: () => requests.take() });
  if (command.window !== undefined) {
    windowed = { loop, window: command.window };
    loop.allow(command.window);
  }
  const result = await loop.run();
  windowed = undefined;
  return { closed: result };
}

async function open(command: Of<'open'>): Promise<GeneratorAnswer> {
  const { run, sources, isOptOut = false } = command;
  const requests = new SignedRequests(sources, run, isOptOut ? 1 : 0);
  requests.prepare(((command.warmUpMs + command.durationMs) / 1000) * command.ratePerSecond);
  const loop = new FixedRate({ ...command, ...targetOf(sources), take: () => requests.take() });
  // What waits for a core here would be taken for a slow answer.
  const { acked, ...measured } = await ahead(() => loop.run());
  const named = acked.map(([n, sentMs, answeredMs]) => [messageIdOf(run, n), sentMs, answeredMs] as const);
  return { open: { ...measured, acked: named } };
}

function targetOf(sources: readonly SourceTarget[]): Target {
  const { hostname, port } = new URL(sources[0]!.url);
  return { host: hostname, port: Number(port) };
}

/** A bare client loop: what a program that does nothing but POST signed bodies reaches. */
async function deliver({ url, secret, inFlight, durationMs }: Of<'deliver'>): Promise<GeneratorAnswer> {
  const { origin, pathname } = new URL(url);
  const pool = new Pool(origin, { connections: inFlight, pipelining: 1 });
  const key = webhookKey(secret);
  const startMs = monotonicMs();
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (monotonicMs() - startMs < durationMs) {
      const id = `fct_${String(sent++).padStart(26, '0')}`;
      const seconds = Math.floor(Date.now() / 1000);
      const data = {
        eventId: id,
        providerMessageId: id,
        state: 'sent',
        channel: 'sms',
        pad: 'x'.repeat(300),
      };
      const body = Buffer.from(JSON.stringify({ type: 'message.sent', tenant: 'bare', data }));
      const headers = {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': webhookSignature(key, id, seconds, body),
      };
      await (await pool.request({ path: pathname, method: 'POST', headers, body })).body.dump();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const perSecond = (sent * 1000) / (monotonicMs() - startMs);
  await pool.destroy();
  return { deliver: { perSecond } };
}

serve<GeneratorCommand, GeneratorAnswer>((command) => {
  if (command.kind === 'closed') return closed(command);
  if (command.kind === 'open') return open(command);
  if (command.kind === 'deliver') return deliver(command);
  if (command.kind === 'permits') return permitLoop(command).then((permits) => ({ permits }));
  windowed?.loop.allow(command.total + windowed.window);
  return undefined;
});
