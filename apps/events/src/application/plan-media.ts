import type { Clock } from '@posthorn/clock/clock.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { plannedMedia, type MediaLimits } from '../domain/media.js';
import type { LoggedEvent } from '../domain/project-event.js';
import type { MediaStore } from '../persistence/media.store.js';

/** Notes which media of new events are to be fetched, in the transaction that projects them: each exactly once. */
export class PlanMedia {
  constructor(
    private readonly store: Pick<MediaStore, 'plan'>,
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'tenant'>,
    private readonly clock: Clock,
    private readonly limits: Pick<MediaLimits, 'deadlineMs'>,
  ) {}

  async run(tx: Tx, events: readonly LoggedEvent[]): Promise<void> {
    const planned = plannedMedia(events, (id) => this.isWanted(id), this.clock.nowMs(), this.limits);
    if (planned.length > 0) await this.store.plan(tx, planned);
  }

  /** A policy that is not known, just after a start, is asked again when somebody is to fetch. */
  private isWanted(tenantId: string): boolean {
    const tenant = this.edge.tenant(tenantId);
    return tenant === undefined ? !this.edge.isReady : tenant.media !== undefined;
  }
}
