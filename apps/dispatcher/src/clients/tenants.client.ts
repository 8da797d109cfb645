import type { Duplex } from 'node:stream';
import {
  ConfigKind,
  ConfigServiceService,
  DestinationReportServiceService,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { idOfUuid } from '@posthorn/clock/id.js';
import { GrpcChannel, grpcClient, openStream } from '@posthorn/server/grpc-client.js';

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

  constructor(channel: TenantsChannel) {
    this.reports = grpcClient(DestinationReportServiceService, channel);
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
