import { Pool } from 'undici';
import { History } from '../load/history.js';
import { type LatencySummary } from '../load/latency.js';
import { OpenLoop } from '../load/open-loop.js';
import { type SourceTarget } from '../load/workload.js';
import { Random } from '../wire/random.js';
import { webhookKey, webhookSignature } from '../wire/signatures.js';
import { monotonicMs } from '../wire/time.js';
import { serve } from './child.js';
import { ClosedLoop, type ClosedLoopResult } from './closed-loop.js';
import { permitLoop, type PermitLoopOptions, type PermitLoopResult } from './permit-loop.js';
import { bodyOf, messageIdOf, optOutBodyOf, SignedRequests } from './signed-requests.js';

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
    readonly skipped: number;
    readonly statuses: Readonly<Record<number, number>>;
    /** Message ID, when its request left, when its 2xx came. Monotonic milliseconds. */
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
  const { hostname, port } = new URL(command.sources[0]!.url);
  const loop = new ClosedLoop({
    ...command,
    host: hostname,
    port: Number(port),
    take: () => requests.take(),
  });
  if (command.window !== undefined) {
    windowed = { loop, window: command.window };
    loop.allow(command.window);
  }
  const result = await loop.run();
  windowed = undefined;
  return { closed: result };
}

async function open(command: Of<'open'>): Promise<GeneratorAnswer> {
  const history = new History();
  const keys = command.sources.map(({ secret }) => webhookKey(secret));
  const bodyOfRun = command.isOptOut === true ? optOutBodyOf : bodyOf;
  let n = 0;
  const next = () => {
    const at = n % command.sources.length;
    const { tenant, sourceId, url } = command.sources[at]!;
    const id = messageIdOf(command.run, n);
    const body = bodyOfRun(id, n++);
    const headers = (nowMs: number): Record<string, string> => {
      const seconds = Math.floor(nowMs / 1000);
      return {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': String(seconds),
        'webhook-signature': webhookSignature(keys[at]!, id, seconds, body),
      };
    };
    return { id, tenant, sourceId, url, body, isForged: false, events: [], headers };
  };
  const durationMs = command.warmUpMs + command.durationMs;
  const loop = new OpenLoop({
    ...command,
    durationMs,
    next,
    history,
    random: new Random(1),
    connections: 128,
  });
  const { latency, skipped, statuses } = await loop.run();
  const first = (command.ratePerSecond * command.warmUpMs) / 1000;
  const acked = history.requests.slice(first).flatMap(({ id, attempts }) => {
    const attempt = attempts.find(({ status }) => status >= 200 && status < 300);
    return attempt === undefined ? [] : [[id, attempt.sentMs, attempt.answeredMs] as const];
  });
  return { open: { latency: latency.summary(), skipped, statuses, acked } };
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
