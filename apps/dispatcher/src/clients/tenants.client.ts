import type { Duplex } from 'node:stream';
import { ConfigKind, ConfigServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { GrpcChannel, openStream } from '@posthorn/server/grpc-client.js';

/** The connection to tenants. */
export class TenantsChannel extends GrpcChannel {}

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
