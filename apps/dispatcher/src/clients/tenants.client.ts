import type { Duplex } from 'node:stream';
import {
  ConfigKind,
  ConfigServiceService,
  DestinationReportServiceService,
  NotificationDeliveryServiceService,
  type NotificationToSend,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { idOfUuid } from '@posthorn/clock/id.js';
import { GrpcChannel, grpcClient, openStream } from '@posthorn/server/grpc-client.js';

export type { NotificationToSend } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';

/** Longer than tenants waits for whoever has to hear of a change. */
const DEADLINE_MS = 5_000;

/** The connection to tenants. */
export class TenantsChannel extends GrpcChannel {}

/** What was found out of a destination. IDs are UUID texts, the time Unix milliseconds. */
export interface DestinationFinding {
  readonly tenantId: string;
  readonly destinationId: string;
  readonly generation: number;
  readonly reason: string;
  readonly failingSinceMs: number;
  readonly lastStatus: number;
  readonly lastOutcome: string;
}

/** The owner of destinations. */
export class TenantsClient {
  private readonly reports;
  private readonly notifications;

  constructor(channel: TenantsChannel) {
    this.reports = grpcClient(DestinationReportServiceService, channel);
    this.notifications = grpcClient(NotificationDeliveryServiceService, channel);
  }

  /** Those that are due through these channels, which nobody else sends until the lease ends. */
  async claimNotifications(
    limit: number,
    leaseSeconds: number,
    channels: string[],
  ): Promise<NotificationToSend[]> {
    const request = { limit, leaseSeconds, channels };
    return (await this.notifications.claimNotifications(request, { deadlineMs: DEADLINE_MS })).notifications;
  }

  /** Says how an attempt ended. */
  async settleNotification(
    { id, tenantId, attempt }: NotificationToSend,
    { delivered, detail }: { readonly delivered: boolean; readonly detail: string },
  ): Promise<void> {
    const request = { id, tenantId, attempt, delivered, detail };
    await this.notifications.settleNotification(request, { deadlineMs: DEADLINE_MS });
  }

  /** The same again changes nothing. @returns whether it was disabled for this. */
  async disableDestination(finding: DestinationFinding): Promise<boolean> {
    const { tenantId, destinationId, generation, reason, failingSinceMs, lastStatus, lastOutcome } = finding;
    const { disabled } = await this.reports.disableDestination(
      {
        tenantId: idOfUuid('ten', tenantId),
        destinationId: idOfUuid('dst', destinationId),
        ...{ generation, reason, failingSinceMs, lastStatus, lastOutcome },
      },
      { deadlineMs: DEADLINE_MS },
    );
    return disabled;
  }
}

/** What the dispatcher keeps in memory: sources with the credentials of their send APIs, without their secrets. */
export const DISPATCH_CONFIG_KINDS: readonly ConfigKind[] = [
  ConfigKind.CONFIG_KIND_TENANTS,
  ConfigKind.CONFIG_KIND_HASH_KEYS,
  ConfigKind.CONFIG_KIND_DATA_KEYS,
  ConfigKind.CONFIG_KIND_DESTINATIONS,
  ConfigKind.CONFIG_KIND_SEND_CREDENTIALS,
];

/** Starts a watch of the configuration. @throws AppError `service.unavailable` when tenants cannot be reached. */
export const openConfigStream = (channel: TenantsChannel): Promise<Duplex> =>
  openStream(channel, ConfigServiceService.watch);
