import {
  boolean,
  type ConfigOf,
  DATABASE_CONFIG,
  GRPC_CONFIG,
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
  kekFile: {
    env: 'KEK_FILE',
    description: 'file with the key-encryption keys; without it no secret and no payload can be read again',
    parse: z.string().min(1),
  },
  operatorKeyFile: {
    env: 'OPERATOR_KEY_FILE',
    description:
      'file with the first operator key; its hash is kept, and replaced within a minute when the file changed',
    default: '',
    parse: z.string(),
  },
  auditCheckpointDir: {
    env: 'AUDIT_CHECKPOINT_DIR',
    description:
      'directory, outside of the database and the same for every replica, for signed checkpoints of the audit logs; empty: none are kept there',
    default: '',
    parse: z.string(),
  },
  allowLoopbackDestinations: {
    env: 'ALLOW_LOOPBACK_DESTINATIONS',
    description:
      'whether destinations and send APIs may be on this machine, by plain http; for developers only',
    default: 'false',
    parse: boolean,
  },
} as const;

export type Config = ConfigOf<typeof CONFIG_SCHEMA>;

/** The configuration of this process, from its environment. */
export const readConfig = (): Config => loadConfig(CONFIG_SCHEMA);
