import { setTimeout as delay } from 'node:timers/promises';
import { newUuid } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import { CALL, clock, type House, type Tenant } from './harness.js';
import { permitRequest, storeWaiting } from './requests.js';

/** Source: DESIGN, decisions 7 and 8. Written out here: the test must not believe the code. */
const VALID_MS = 400;
const HOLD_MS = 500;

/** A compliance that can be asked. */
export type Asked = Pick<Awaited<ReturnType<House['start']>>, 'permits' | 'signals'>;

/** What came of one race; times on this process' own clock. */
export interface Race {
  /** The last moment at which a send could have begun, of each permit; -Infinity without a permit. */
  readonly sendsUntilMs: readonly number[];
  /** When the provider may hear 2xx. */
  readonly acknowledgedAtMs: number;
  readonly permits: number;
  readonly isDenied: boolean;
  /** Whether compliance, or the store with the append, said that the opt-out is in force; else only time did. */
  readonly isAnswered: boolean;
  /** The store said so. */
  readonly isAtOnce: boolean;
}

/**
 * How an opt-out comes: by intake that asks compliance, or the store first; by intake whose process then dies; or without a
 * row that waits.
 */
export type Way = 'intake' | 'store' | 'alone' | 'direct';

/** Dispatchers and an intake that want opposite things for the same person at the same time. */
export class Races {
  private phones = 0;

  /** @param intake the append, as events does it: under its role. */
  constructor(
    private readonly tenant: Tenant,
    private readonly intake: Database,
  ) {}

  newPhone(): string {
    return `+43664${String((this.phones += 1)).padStart(7, '0')}`;
  }

  ask({ permits }: Asked, address: string) {
    return permits.requestPermit(permitRequest(this.tenant, address), CALL);
  }

  async race(askers: () => Asked, signals: () => Asked, way: Way, address = this.newPhone()): Promise<Race> {
    const [{ atMs: acknowledgedAtMs, isAnswered, isAtOnce = false }, ...sendsUntilMs] = await Promise.all([
      this.optOut(signals, address, way),
      ...Array.from({ length: 3 }, () => this.dispatch(askers, address)),
    ]);
    await delay(Math.max(0, acknowledgedAtMs - clock.monotonicMs()));
    const after = await this.ask(askers(), address).catch(() => undefined);
    return {
      ...{ sendsUntilMs, acknowledgedAtMs, isAnswered, isAtOnce, isDenied: after?.decision !== 'allow' },
      permits: sendsUntilMs.filter((ms) => ms > -Infinity).length,
    };
  }

  private async isNoneOpen(personHash: Buffer): Promise<boolean> {
    const { rows } = await this.intake.query<{ places: number[] }>(
      'SELECT compliance.opt_outs_in_force($1::uuid[], $2::bytea[]) AS places',
      [[this.tenant.uuidText], [personHash]],
    );
    return rows[0]!.places.length === 1;
  }

  /** A dispatcher that asks, and sends within the validity, or keeps the permit to its end. */
  private async dispatch(service: () => Asked, address: string): Promise<number> {
    await delay(Math.random() * 30);
    const askedAtMs = clock.monotonicMs();
    let answer;
    try {
      answer = await this.ask(service(), address);
    } catch {
      return -Infinity; // silence means no
    }
    if (answer.decision !== 'allow') return -Infinity;
    if (Math.random() < 0.3) return askedAtMs + VALID_MS;
    await delay(Math.random() * 40);
    const sentAtMs = Math.min(clock.monotonicMs(), askedAtMs + VALID_MS);
    const closing = { tenantId: this.tenant.id, permitId: answer.permitId, outcome: 'sent' };
    await service()
      .permits.closePermit(closing, CALL)
      .catch(() => {});
    return sentAtMs;
  }

  /** Intake: the append, then the question to compliance; without its answer the 2xx waits. */
  private async optOut(
    service: () => Asked,
    address: string,
    way: Way,
  ): Promise<{ readonly atMs: number; readonly isAnswered: boolean; readonly isAtOnce?: boolean }> {
    await delay(Math.random() * 30);
    const eventId = newUuid(clock.nowMs());
    const personHash = this.tenant.hashOf(address);
    if (way !== 'direct')
      await storeWaiting(this.intake, { tenantId: this.tenant.uuid, personHash, eventId });
    const held = clock.monotonicMs() + HOLD_MS;
    if (way === 'alone') return { atMs: held, isAnswered: false };
    if (way === 'store' && (await this.isNoneOpen(personHash)))
      return { atMs: clock.monotonicMs(), isAnswered: true, isAtOnce: true };
    const signal = {
      ...{ tenantId: this.tenant.uuid, eventId, sourceId: newUuid(0), personHash, channel: 'sms' },
      ...{
        signal: 'opt_out',
        occurredAtMs: 0,
        receivedAtMs: clock.nowMs(),
        provider: 'twilio',
        traceparent: '',
      },
    };
    try {
      await service().signals.applySignals({ signals: [signal] }, { deadlineMs: 2_000 });
      return { atMs: clock.monotonicMs(), isAnswered: true };
    } catch {
      return { atMs: Math.max(held, clock.monotonicMs()), isAnswered: false };
    }
  }
}
