import type { Database } from '@posthorn/postgres/database.js';
import { PACKAGE_BYTES_MAX } from '../domain/handoff-package.js';
import type { HandoffStepStore } from '../persistence/handoff-step.store.js';
import type { ComposePackage } from './compose-package.js';

/** What a destination may be told of a hand-off. */
export interface DescribedHandoff {
  /** UUID text. */
  readonly handoffId: string;
  /** Undefined: the person was erased. */
  readonly composed: { readonly full: string; readonly flat: string } | undefined;
}

/** Tells of the hand-off behind one event, unless it must not be told any more. */
export class DescribeHandoff {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly steps: Pick<HandoffStepStore, 'handoffOf'>,
    private readonly compose: Pick<ComposePackage, 'run'>,
  ) {}

  /**
   * @param tenant UUID text. @param eventId UUID text: it asked for the hand-off, or is a step of it.
   * @returns undefined when it is of none, or that is gone.
   * @throws AppError `service.unavailable` when a key cannot be asked for.
   */
  async run(tenant: string, eventId: string): Promise<DescribedHandoff | undefined> {
    const found = await this.db.tenantTransaction(tenant, (tx) => this.steps.handoffOf(tx, tenant, eventId));
    if (found === undefined) return undefined;
    const { handoffId, isErased } = found;
    if (isErased) return { handoffId, composed: undefined };
    return { handoffId, composed: await this.compose.run(tenant, { handoffId }, 0, PACKAGE_BYTES_MAX) };
  }
}
