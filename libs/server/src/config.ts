import { AppError } from '@posthorn/errors/app-error.js';
import { z } from 'zod';

/** One configuration key: what `docs/configuration.md`, Helm's values and the start-up line are made from. */
export interface ConfigEntry {
  readonly env: string;
  readonly description: string;
  /** As text, parsed like the environment's. Without one the variable must be set. */
  readonly default?: string;
  /** From text to the value. */
  readonly parse: z.ZodType;
  /** Never shown, neither at start-up nor in an error. */
  readonly isSecret?: boolean;
}

/** The typed object that a schema yields. */
export type ConfigOf<S extends Record<string, ConfigEntry>> = {
  readonly [K in keyof S]: z.output<S[K]['parse']>;
};

const PORT_MAX = 65_535;
const CONNECTION_AGE_MS_MIN = 500;
const CONNECTION_AGE_MS_MAX = 24 * 60 * 60_000;
const MASK = '***';
const schemas = new WeakMap<object, Record<string, ConfigEntry>>();

/** Parses a whole number. Both bounds belong to the range. */
export const integer = (min: number, max: number): z.ZodType<number> =>
  z
    .string()
    .regex(/^-?\d{1,15}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min).max(max));

/** Parses a number between 0 and 1. */
export const ratio: z.ZodType<number> = z
  .string()
  .regex(/^\d(\.\d{1,9})?$/, 'must be a number from 0 to 1')
  .transform(Number)
  .pipe(z.number().min(0).max(1));

/** Parses `true` or `false`. */
export const boolean: z.ZodType<boolean> = z.enum(['true', 'false']).transform((text) => text === 'true');

/** Parses `host:port`; port 0 lets the system choose. An IPv6 host stands in brackets. */
export const hostPort: z.ZodType<string> = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, 'must be host:port')
  .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= PORT_MAX, 'the port is too large');

/** What every process reads. */
export const SERVER_CONFIG = {
  logLevel: {
    env: 'LOG_LEVEL',
    description: 'debug, info, warn, error or silent',
    default: 'info',
    parse: z.enum(['debug', 'info', 'warn', 'error', 'silent']),
  },
  tlsCertFile: {
    env: 'TLS_CERT_FILE',
    description: 'certificate chain of this service, PEM; reloaded when it changes',
    default: '',
    parse: z.string(),
  },
  tlsKeyFile: {
    env: 'TLS_KEY_FILE',
    description: 'private key of that certificate, PEM',
    default: '',
    parse: z.string(),
  },
  tlsCaFile: {
    env: 'TLS_CA_FILE',
    description: 'certificates of the authority that signs all services, PEM',
    default: '',
    parse: z.string(),
  },
  otlpEndpoint: {
    env: 'OTLP_ENDPOINT',
    description: 'base URL of an OTLP/HTTP collector; traces are not exported without one',
    default: '',
    parse: z.union([z.literal(''), z.url({ protocol: /^https?$/ })]),
  },
  traceSampleRatio: {
    env: 'TRACE_SAMPLE_RATIO',
    description: 'share of traces that are recorded, 0 to 1',
    default: '0.01',
    parse: ratio,
  },
  drainTimeoutMs: {
    env: 'DRAIN_TIMEOUT_MS',
    description: 'milliseconds that calls in flight may take after SIGTERM',
    default: '10000',
    parse: integer(0, 600_000),
  },
} as const satisfies Record<string, ConfigEntry>;
export type ServerConfig = ConfigOf<typeof SERVER_CONFIG>;

/** What a process with a gRPC port reads. */
export const GRPC_CONFIG = {
  grpcListen: {
    env: 'GRPC_LISTEN',
    description: 'host:port of the gRPC server',
    parse: hostPort,
  },
  healthListen: {
    env: 'HEALTH_LISTEN',
    description: 'host:port of /health/live, /health/ready and /metrics',
    parse: hostPort,
  },
  grpcConnectionAgeMs: {
    env: 'GRPC_CONNECTION_AGE_MS',
    description:
      'milliseconds after which callers are asked to connect anew, a tenth more or less: so new replicas get their share',
    default: '300000',
    parse: integer(CONNECTION_AGE_MS_MIN, CONNECTION_AGE_MS_MAX),
  },
  grpcConnectionGraceMs: {
    env: 'GRPC_CONNECTION_GRACE_MS',
    description:
      'milliseconds that calls and streams of an aged connection may go on before it is cut; streams are told to move before',
    default: '600000',
    parse: integer(CONNECTION_AGE_MS_MIN, CONNECTION_AGE_MS_MAX),
  },
} as const satisfies Record<string, ConfigEntry>;
export type GrpcConfig = ConfigOf<typeof GRPC_CONFIG>;

/** What a process with a database reads. */
export const DATABASE_CONFIG = {
  databaseUrl: {
    env: 'DATABASE_URL',
    description:
      'postgres:// URL of the database; the service puts its own role into it. Elsewhere than on this machine it must say sslmode: verify-full (with sslrootcert), require, or disable to go without TLS',
    parse: z.url({ protocol: /^postgres(ql)?$/ }),
    isSecret: true,
  },
  databasePasswordFile: {
    env: 'DATABASE_PASSWORD_FILE',
    description: "file that holds the password of the service's role",
    default: '',
    parse: z.string(),
  },
  databasePoolMax: {
    env: 'DATABASE_POOL_MAX',
    description: 'connections of one process: pools × roles × replicas must stay below max_connections',
    default: '8',
    parse: integer(1, 200),
  },
} as const satisfies Record<string, ConfigEntry>;
export type DatabaseConfig = ConfigOf<typeof DATABASE_CONFIG>;

/** What a process that speaks to the broker reads. */
export const NATS_CONFIG = {
  natsUrl: {
    env: 'NATS_URL',
    description:
      'tls:// URL of the broker, or nats:// on this machine; nats:// elsewhere is refused unless it ends with ?tls=disable',
    default: 'nats://127.0.0.1:4222',
    parse: z.url({ protocol: /^(nats|tls)$/ }),
    isSecret: true,
  },
  natsCaFile: {
    env: 'NATS_CA_FILE',
    description: "authorities of the broker, PEM, read for each connection; empty: the machine's",
    default: '',
    parse: z.string(),
  },
  natsCertFile: {
    env: 'NATS_CERT_FILE',
    description: 'certificate chain to show to a broker that asks for one, PEM, read for each connection',
    default: '',
    parse: z.string(),
  },
  natsKeyFile: {
    env: 'NATS_KEY_FILE',
    description: 'private key of that certificate, PEM',
    default: '',
    parse: z.string(),
  },
} as const satisfies Record<string, ConfigEntry>;
export type NatsConfig = ConfigOf<typeof NATS_CONFIG>;

/** What a connection to the broker takes of the configuration. */
export const natsConnection = (config: NatsConfig) => ({
  url: config.natsUrl,
  tls: { caFile: config.natsCaFile, certFile: config.natsCertFile, keyFile: config.natsKeyFile },
});

/**
 * Reads the configuration once; an empty variable counts as not set.
 * @returns a frozen object.
 * @throws AppError `config.invalid` that names every wrong variable, and no value.
 */
export function loadConfig<S extends Record<string, ConfigEntry>>(
  schema: S,
  env: NodeJS.ProcessEnv = process.env,
): ConfigOf<S> {
  const config: Record<string, unknown> = {};
  const wrong: string[] = [];
  for (const [key, entry] of Object.entries(schema)) {
    const text = env[entry.env] || entry.default;
    if (text === undefined) {
      wrong.push(`${entry.env} is not set (${entry.description})`);
      continue;
    }
    const result = entry.parse.safeParse(text);
    if (result.success) config[key] = result.data;
    else wrong.push(`${entry.env} ${result.error.issues.map(({ message }) => message).join(', ')}`);
  }
  if (wrong.length > 0) throw new AppError('config.invalid', { detail: wrong.join('; ') });
  schemas.set(config, schema);
  return Object.freeze(config) as ConfigOf<S>;
}

/** Variable name → value as text, secrets masked. For the start-up line. */
export function describeConfig<S extends Record<string, ConfigEntry>>(
  schema: S,
  config: ConfigOf<S>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(schema).map(([key, entry]) => {
      const text = String(config[key]);
      return [entry.env, entry.isSecret === true && text !== '' ? MASK : text];
    }),
  );
}

/** The same for a configuration whose schema is known because loadConfig made it; else empty. */
export function describeLoadedConfig(config: object): Record<string, string> {
  const schema = schemas.get(config);
  return schema === undefined ? {} : describeConfig(schema, config as ConfigOf<typeof schema>);
}
