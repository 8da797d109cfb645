import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import { PERMIT_OPEN_MS } from '../domain/send-request.js';
import type { PermitStore } from '../persistence/permit.store.js';

const POLL_MS = 10;
/** The store's clock ends every permit before that; the rest is the time it takes to ask. */
const WAIT_MS_MAX = 2 * PERMIT_OPEN_MS;

interface Waiter {
  readonly permitIds: Set<string>;
  readonly startMs: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Waits until permits are closed or expired; one question at a time for all who wait. */
export class PermitDrain {
  private waiters: Waiter[] = [];
  private isAsking = false;

  constructor(
    private readonly db: Database,
    private readonly permits: PermitStore,
    private readonly clock: Clock,
  ) {}

  /** @throws AppError `store.*`, or `service.deadline`: then they may be open still. */
  wait(permitIds: readonly string[]): Promise<void> {
    if (permitIds.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const startMs = this.clock.monotonicMs();
      this.waiters.push({ permitIds: new Set(permitIds), startMs, resolve, reject });
      if (!this.isAsking) void this.ask();
    });
  }

  private async ask(): Promise<void> {
    this.isAsking = true;
    while (this.waiters.length > 0) {
      const asked = [...this.waiters]; // who comes while we ask is not in the answer
      try {
        const ids = [...new Set(asked.flatMap(({ permitIds }) => [...permitIds]))];
        const open = new Set(await this.permits.stillOpen(this.db, ids, this.clock.nowMs()));
        for (const waiter of asked) this.answer(waiter, open);
      } catch (error) {
        for (const { reject } of asked) reject(error);
        this.waiters = this.waiters.filter((waiter) => !asked.includes(waiter));
      }
      if (this.waiters.length > 0) await new Promise((done) => setTimeout(done, POLL_MS));
    }
    this.isAsking = false;
  }

  private answer(waiter: Waiter, open: ReadonlySet<string>): void {
    for (const id of waiter.permitIds) if (!open.has(id)) waiter.permitIds.delete(id);
    const isLate = this.clock.monotonicMs() - waiter.startMs > WAIT_MS_MAX;
    if (waiter.permitIds.size > 0 && !isLate) return;
    this.waiters = this.waiters.filter((one) => one !== waiter);
    if (waiter.permitIds.size === 0) return waiter.resolve();
    waiter.reject(new AppError('service.deadline', { detail: 'permits are open for too long' }));
  }
}
