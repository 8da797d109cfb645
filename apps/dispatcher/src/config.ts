import { readFileSync } from 'node:fs';
import {
  boolean,
  type ConfigOf,
  DATABASE_CONFIG,
  GRPC_CONFIG,
  hostPort,
  integer,
  loadConfig,
  NATS_CONFIG,
  SERVER_CONFIG,
} from '@posthorn/server/config.js';
import { z } from 'zod';

export const CONFIG_SCHEMA = {
  ...SERVER_CONFIG,
  ...GRPC_CONFIG,
  ...DATABASE_CONFIG,
  ...NATS_CONFIG,
  tenantsAddress: {
    env: 'TENANTS_ADDRESS',
    description: 'host:port of the gRPC server of tenants',
    default: '127.0.0.1:9101',
    parse: hostPort,
  },
  eventsAddress: {
    env: 'EVENTS_ADDRESS',
    description: 'host:port of the gRPC server of events',
    default: '127.0.0.1:9102',
    parse: hostPort,
  },
  complianceAddress: {
    env: 'COMPLIANCE_ADDRESS',
    description: 'host:port of the gRPC server of compliance',
    default: '127.0.0.1:9103',
    parse: hostPort,
  },
  publicIngressUrl: {
    env: 'PUBLIC_INGRESS_URL',
    description:
      'where providers reach ingress: they report there what became of a message; marketing mails link there to unsubscribe, for which it has to be https',
    default: 'http://127.0.0.1:8081',
    parse: z.url({ protocol: /^https?$/ }),
  },
  allowLoopbackDestinations: {
    env: 'ALLOW_LOOPBACK_DESTINATIONS',
    description: 'lets deliveries and sends go to this machine; for the local platform only',
    default: 'false',
    parse: boolean,
  },
  inFlightMax: {
    env: 'IN_FLIGHT_MAX',
    description: 'attempts of one process under way at the same time',
    default: '512',
    parse: integer(1, 65_536),
  },
  retryBaseMs: {
    env: 'RETRY_BASE_MS',
    description: 'the longest wait after the first failure; each later one is six times as long',
    default: '5000',
    parse: integer(1, 3_600_000),
  },
  retryCapMs: {
    env: 'RETRY_CAP_MS',
    description: 'the longest wait between two attempts',
    default: '21600000',
    parse: integer(1, 86_400_000),
  },
  destinationFailingHours: {
    env: 'DESTINATION_FAILING_HOURS',
    description:
      'hours after which a destination is disabled whose every attempt has failed since, in at least twelve of them; 410 disables at once',
    default: '120',
    parse: integer(1, 720),
  },
  smtpUrl: {
    env: 'SMTP_URL',
    description:
      'smtps://login:password@host:port of the relay for notifications by email (smtp:// begins in the clear and takes STARTTLS where it is offered); empty: there are none by email',
    default: '',
    parse: z.union([z.literal(''), z.url({ protocol: /^smtps?$/ })]),
    isSecret: true,
  },
  smtpFrom: {
    env: 'SMTP_FROM',
    description: 'address that notifications by email come from',
    default: 'posthorn@localhost',
    parse: z.string().min(3).max(254),
  },
  sendRetryBaseMs: {
    env: 'SEND_RETRY_BASE_MS',
    description:
      'the longest wait after a provider did not take a message; each later one is four times as long',
    default: '2000',
    parse: integer(1, 3_600_000),
  },
  sendRetryCapMs: {
    env: 'SEND_RETRY_CAP_MS',
    description: 'the longest wait between two times that a message is handed to its provider',
    default: '900000',
    parse: integer(1, 86_400_000),
  },
  mediaInFlightMax: {
    env: 'MEDIA_IN_FLIGHT_MAX',
    description:
      'media of messages that one process fetches at the same time; each may hold 15 MiB in memory',
    default: '4',
    parse: integer(1, 16),
  },
} as const;

export type Config = ConfigOf<typeof CONFIG_SCHEMA>;

/** @throws AppError `config.invalid` that names every wrong variable. */
export const readConfig = (): Config => loadConfig(CONFIG_SCHEMA);

/** The version of this program, as its package says. */
export function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
