import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Actor } from '../domain/actor.js';
import { DISABLED_REASONS, type DisabledReason } from '../domain/destination.js';
import { invalidField } from '../domain/field-errors.js';
import { type DestinationStore } from '../persistence/destination.store.js';
import { type ChangeRunner } from './change-runner.js';
import { type NotifyTenant } from './notify-tenant.js';

/** What those who deliver found out of a destination. */
export interface DestinationReport {
  readonly tenantId: string;
  readonly destinationId: string;
  readonly generation: number;
  readonly reason: string;
  readonly failingSinceMs: number;
  /** 0 = no answer. */
  readonly lastStatus: number;
  readonly lastOutcome: string;
}

const OUTCOME = /^[a-z_]{0,40}$/;
const STATUS_MAX = 999;

/** Disables a destination that stays broken. */
export class DisableDestination {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly destinations: DestinationStore,
    private readonly notify: NotifyTenant,
  ) {}

  /**
   * Once for a generation, however often it is told; of a generation that is no more it disables nothing.
   * @returns whether it was disabled for this report, now or by a call before.
   * @throws AppError `request.invalid`
   */
  async run(actor: Actor, report: DestinationReport): Promise<boolean> {
    const destinationId = uuidOfId('dst', report.destinationId);
    const reason = DISABLED_REASONS.find((known) => known === report.reason);
    if (destinationId === undefined) throw invalidField('destinationId', 'dst_…');
    if (reason === undefined) throw invalidField('reason', DISABLED_REASONS.join(', '));
    if (report.lastStatus > STATUS_MAX || !OUTCOME.test(report.lastOutcome))
      throw invalidField('lastOutcome', 'no outcome of an attempt');
    try {
      const { value } = await this.changes.run(actor, report.tenantId, async (change) => {
        const { tx, nowMs } = change;
        const { tenantId } = change.tenant;
        const { generation } = report;
        const row = await this.destinations.disable(tx, tenantId, destinationId, generation, reason, nowMs);
        if (row === undefined) return this.destinations.wasDisabled(tx, tenantId, destinationId, generation);
        change.touch('destination', destinationId);
        change.audit('destination.disabled', idOfUuid('dst', destinationId), detailOf(report, reason));
        const notification = {
          kind: 'destination.disabled',
          ...{ subjectId: destinationId, episode: String(generation) },
          data: { destinationId: report.destinationId, name: row.name, ...findingOf(report, reason) },
        } as const;
        await this.notify.run(tx, tenantId, notification, nowMs);
        return true;
      });
      return value;
    } catch (error) {
      // Nothing to disable, and nobody to tell.
      if (error instanceof AppError && error.code === 'tenant.not_found') return false;
      throw error;
    }
  }
}

const detailOf = (report: DestinationReport, reason: DisabledReason) => ({
  before: { status: 'active' },
  after: { status: 'disabled', disabledReason: reason },
  ...findingOf(report, reason),
});

const findingOf = (
  { failingSinceMs, lastStatus, lastOutcome }: DestinationReport,
  reason: DisabledReason,
) => ({
  reason,
  failingSince: new Date(failingSinceMs).toISOString(),
  lastOutcome,
  ...(lastStatus === 0 ? {} : { lastStatus }),
});
