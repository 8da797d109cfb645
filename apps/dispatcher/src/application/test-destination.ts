import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { type AttemptView } from '../domain/delivery-view.js';
import { renderTestBody } from '../domain/webhook-body.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { SendWebhook } from './send-webhook.js';

const NO_PARENT = '';

/** Shows a tenant whether a destination takes what we send. */
export class TestDestination {
  constructor(
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'destination' | 'tenant'>,
    private readonly webhooks: Pick<SendWebhook, 'send'>,
    private readonly db: Pick<WorkerDatabase, 'transaction'>,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly clock: Clock,
  ) {}

  /**
   * Sends one signed `endpoint.test`, also to a disabled destination; only the audit log knows of it,
   * before it leaves.
   * @param tenantId `ten_…` @param destinationId `dst_…`
   * @throws AppError `destination.not_found`
   */
  async test(tenantId: string, destinationId: string, by: AuditActor): Promise<AttemptView> {
    if (!this.edge.isReady)
      throw new AppError('service.unavailable', { detail: 'no destinations known yet' });
    const tenant = this.edge.tenant(tenantId);
    const destination = this.edge.destination(destinationId);
    if (tenant === undefined || destination?.tenantId !== tenantId)
      throw new AppError('destination.not_found');
    const act = { action: 'destination.tested', target: destinationId, detail: {} };
    const tenantUuid = uuidText(tenant.uuid);
    await this.db.transaction((tx) => this.audit.add(tx, [{ tenantId: tenantUuid, actor: by, ...act }]));
    const nowMs = this.clock.nowMs();
    const result = await this.webhooks.send(destination, {
      id: formatId('fct', newUuid(nowMs)),
      body: renderTestBody(destination.id, tenant.slug, nowMs),
      traceparent: NO_PARENT,
    });
    return {
      id: formatId('att', newUuid(nowMs)),
      number: 1,
      startedAtMs: result.startedAtMs,
      durationMs: result.durationMs,
      statusCode: result.status,
      outcome: result.outcome,
      detail: result.detail,
    };
  }
}
