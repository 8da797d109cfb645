import { AppError } from '@posthorn/errors/app-error.js';
import { ERRORS } from '@posthorn/errors/registry.js';
import { type DispatcherClient } from '../clients/dispatcher.client.js';
import { type EventsClient } from '../clients/events.client.js';
import { type TenantsClient } from '../clients/tenants.client.js';
import { type Check, type IntakeFacts, judgeReadiness } from '../domain/readiness.js';
import { type VerifyAudit } from './verify-audit.js';

/** The go-live checklist of one source, from everybody who knows something of it. */
export class CheckReadiness {
  constructor(
    private readonly tenants: Pick<TenantsClient, 'admin' | 'notifications' | 'read' | 'source'>,
    private readonly events: Pick<EventsClient, 'intakeQuery' | 'read'>,
    private readonly dispatcher: Pick<DispatcherClient, 'query' | 'read'>,
    private readonly audit: Pick<VerifyAudit, 'run'>,
  ) {}

  /** What a service that is away would know is unknown. @throws AppError `source.not_found` */
  async run(tenantId: string, sourceId: string): Promise<Check[]> {
    const source = await this.tenants.source(tenantId, sourceId);
    const [intake, destinations, dead, audit, told] = await Promise.all([
      orUnknown(this.events.intakeQuery.getSourceHealth({ tenantId, sourceId }, this.events.read)),
      orUnknown(
        this.tenants.admin.listDestinations({ tenant: tenantId, limit: 1, cursor: '' }, this.tenants.read),
      ),
      orUnknown(
        this.dispatcher.query.listDeliveries(
          {
            ...{ tenantId, limit: 1, cursor: '', eventId: '', destinationId: '' },
            ...{ state: 'dead', fromMs: 0, toMs: 0, sourceId },
          },
          this.dispatcher.read,
        ),
      ),
      orUnknown(this.audit.run(tenantId, 0)),
      // Not known either where tenants is older than notifications.
      this.tenants.notifications
        .getNotifications({ tenant: tenantId }, this.tenants.read)
        .catch(() => undefined),
    ]);
    const settings = JSON.parse(source.settingsJson || '{}') as { readonly verification?: unknown };
    return judgeReadiness({
      status: source.status,
      isMonitoring: settings.verification === 'monitor',
      secrets: source.secrets.map(({ id, status, lastMatchedAtMs }) => ({
        ...{ id, status, matchedAtMs: lastMatchedAtMs },
      })),
      intake: intake && intakeOf(intake),
      destinations: destinations?.destinations.length,
      hasDeadLetters: dead && dead.deliveries.length > 0,
      notifications: told?.channels.map(({ kind, last }) => ({
        ...{ kind, lastState: last?.state ?? '', detail: last?.detail ?? '' },
      })),
      audit: audit && { isValid: audit.isValid, entries: audit.entries, isWhole: audit.nextAfter === 0 },
    });
  }
}

type Health = Awaited<ReturnType<EventsClient['intakeQuery']['getSourceHealth']>>;

const intakeOf = (health: Health): IntakeFacts => ({
  firstEventAtMs: health.firstEventAtMs,
  lastEventAtMs: health.lastEventAtMs,
  stored: Number(health.eventsStored),
  duplicate: Number(health.eventsDuplicate),
  unrecognized: Number(health.eventsUnrecognized),
  unauthentic: Number(health.eventsUnauthentic),
  authentic: Number(health.requestsAuthentic ?? 0n),
  lastSecretId: health.lastSecretId,
  quarantined: health.quarantined,
  parked: health.parked,
  refused: health.refusalsKept,
  lastRefusalAtMs: health.lastRefusalAtMs,
  optOuts: Number(health.optOuts),
});

const orUnknown = <T>(call: Promise<T>): Promise<T | undefined> =>
  call.catch((error: unknown) => {
    if (error instanceof AppError && ERRORS[error.code].retryable) return undefined;
    throw error;
  });
