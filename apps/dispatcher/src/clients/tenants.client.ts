import type { Duplex } from 'node:stream';
import { ConfigKind, ConfigServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { GrpcChannel, openStream } from '@posthorn/server/grpc-client.js';

/** The connection to tenants. */
export class TenantsChannel extends GrpcChannel {}

/** What the dispatcher keeps in memory: no keys, no sources. */
export const DISPATCH_CONFIG_KINDS: readonly ConfigKind[] = [
  ConfigKind.CONFIG_KIND_TENANTS,
  ConfigKind.CONFIG_KIND_DESTINATIONS,
];

/** Starts a watch of the configuration. @throws AppError `service.unavailable` when tenants cannot be reached. */
export const openConfigStream = (channel: TenantsChannel): Promise<Duplex> =>
  openStream(channel, ConfigServiceService.watch);
