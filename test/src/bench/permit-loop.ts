import { randomBytes } from 'node:crypto';
import { Latency, type LatencySummary } from '../load/latency.js';
import { GrpcCaller, type GrpcIdentity } from '../wire/grpc.js';
import { idOf, uuidText } from '../wire/ids.js';
import { ProtoFields, protoTexts } from '../wire/protobuf.js';
import { monotonicMs } from '../wire/time.js';

const SERVICE = '/posthorn.compliance.v1.PermitService';
const CONTACTS = 5_000;
const [DECISION, PERMIT_ID] = [1, 2];

export interface PermitLoopOptions {
  readonly port: number;
  readonly identity: GrpcIdentity;
  /** `ten_…`, `src_…` */
  readonly tenantId: string;
  readonly sourceId: string;
  readonly inFlight: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** What the loop measured after its warm-up. */
export interface PermitLoopResult {
  readonly perSecond: number;
  readonly latency: LatencySummary;
  /** Answers that were no permit, by what they were. */
  readonly others: Readonly<Record<string, number>>;
}

/** Asks for permits as dispatcher does, each closed after it was given, so many at a time. */
export async function permitLoop(options: PermitLoopOptions): Promise<PermitLoopResult> {
  const { tenantId, sourceId, inFlight, warmUpMs, durationMs } = options;
  const caller = new GrpcCaller(options.port, options.identity);
  const [latency, others] = [new Latency(), {} as Record<string, number>];
  const fromMs = monotonicMs() + warmUpMs;
  const toMs = fromMs + durationMs;
  let [asked, given] = [0, 0];
  const one = async (): Promise<void> => {
    const startMs = monotonicMs();
    const answer = await caller.call(
      `${SERVICE}/RequestPermit`,
      protoTexts({
        ...{ 1: tenantId, 2: idOf('msg', uuidText(randomBytes(16))), 3: sourceId, 4: 'sms' },
        ...{ 5: `+1202${1_000_000 + (asked++ % CONTACTS)}`, 6: 'transactional', 14: 'twilio' },
      }),
    );
    const endMs = monotonicMs();
    const fields = new ProtoFields(answer);
    const decision = fields.text(DECISION);
    if (decision !== 'allow') others[decision] = (others[decision] ?? 0) + 1;
    else if (endMs >= fromMs && endMs < toMs) {
      given += 1;
      latency.record(endMs - startMs);
    }
    await caller.call(
      `${SERVICE}/ClosePermit`,
      protoTexts({ 1: tenantId, 2: fields.text(PERMIT_ID), 3: 'sent' }),
    );
  };
  const lane = async (): Promise<void> => {
    while (monotonicMs() < toMs) await one();
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  caller.close();
  return { perSecond: (given * 1_000) / durationMs, latency: latency.summary(), others };
}
