import { createPublicKey } from 'node:crypto';
import { type SigningKey } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { z } from 'zod';
import { time, timeAt } from './shapes.dto.js';

/** What proves a receipt; beside the receipt itself in its answer. */
export const proof = {
  hash: z
    .string()
    .describe('SHA-256, hex, of `receipt` as JSON without blanks, its members sorted (RFC 8785)'),
  signature: z.object({
    keyId: z.string().describe('of GET /v1/signing-keys'),
    algorithm: z.literal('Ed25519'),
    value: z.string().describe('base64, over the bytes that `hash` is of'),
  }),
};

export const signingKey = z.object({
  id: z.string(),
  algorithm: z.literal('Ed25519'),
  publicKeyPem: z.string(),
  createdAt: time,
});
export const signingKeys = z.object({ data: z.array(signingKey) });

/** A key that receipts, and checkpoints of audit logs, are verified with. */
export const signingKeyOf = ({ id, publicKey, createdAtMs }: SigningKey): z.infer<typeof signingKey> => ({
  id,
  algorithm: 'Ed25519',
  publicKeyPem: createPublicKey({ key: publicKey, format: 'der', type: 'spki' })
    .export({ format: 'pem', type: 'spki' })
    .toString(),
  createdAt: timeAt(createdAtMs),
});

const removed = z.array(z.object({ table: z.string(), rows: z.number() }));
export const tenantDeletion = z.object({
  receipt: z.object({
    type: z.literal('tenant_deletion'),
    tenantId: z.string(),
    deletedAt: time,
    completedAt: time.nullable().describe('null as long as a service is not done'),
    destroyedKeyIds: z.array(z.string()).describe('what they sealed is unreadable, by whatever copy of it'),
    auditId: z.string().nullable().describe("the entry of the tenant's audit log"),
    open: z.array(z.string()).describe('services that go on; see GET /v1/tenant-deletions/{id} for the end'),
    services: z.array(
      z.object({
        service: z.string(),
        state: z
          .enum(['waiting', 'open', 'done', 'unknown'])
          .describe('waiting: it has not heard of the deletion; unknown: it did not answer'),
        completedAt: time.nullable(),
        removed,
      }),
    ),
  }),
  ...proof,
});
