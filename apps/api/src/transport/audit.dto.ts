import { type AuditEntry, type ListAuditRequest } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { z } from 'zod';
import { json, moment, page, textOf, time, timeAt } from './shapes.dto.js';

const text = z.string().min(1).max(200).optional();
const entryNumber = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0);

export const auditQuery = page.extend({
  actor: text.describe('key_… or service:…'),
  action: text.describe('such as source.created, or source.*'),
  target: text,
  from: moment,
  to: moment,
});
export const auditExportQuery = z.strictObject({
  after: entryNumber.describe('the number of the last one you have'),
});
export const auditVerifyQuery = z.strictObject({
  after: entryNumber.describe('nextAfter of an earlier answer'),
});

export const auditEntry = z.object({
  id: z.string(),
  number: z.number().describe('without gaps, from 1'),
  at: time,
  actor: z.object({ id: z.string(), kind: z.string(), remoteAddress: z.string() }),
  action: z.string(),
  target: z.string(),
  detail: json,
  hash: z.string().describe("SHA-256, hex, over the former entry's hash and this entry"),
  origin: z.string().nullable().describe('<service>:<number> of what another service did'),
});
export const verdict = z.object({
  isValid: z.boolean(),
  entries: z.number().describe('that were looked at'),
  firstBadNumber: z.number().nullable(),
  problem: z.enum(['missing', 'changed', 'checkpoint']).nullable(),
  checkpoints: z.number().describe('signed ones that agree'),
  outsideCheckpoints: z.number().describe('of those, kept outside of the database'),
  nextAfter: z.number().nullable().describe('the log goes on: ask again with this as `after`'),
});

/** Which entries, for the tenants service. @param tenant empty: the platform's log. */
export const auditRequest = (tenant: string, query: z.infer<typeof auditQuery>): ListAuditRequest => ({
  ...{ tenant, limit: query.limit, cursor: query.cursor ?? '' },
  ...{ actorId: query.actor, action: query.action, target: query.target },
  ...{ fromMs: query.from || undefined, toMs: query.to || undefined },
});

/** An entry of the audit log as the API shows it. */
export const auditEntryOf = (from: AuditEntry): z.infer<typeof auditEntry> => ({
  id: from.id,
  number: Number(from.number ?? 0n),
  at: timeAt(from.atMs),
  actor: {
    id: from.actor?.id ?? '',
    kind: from.actor?.kind ?? '',
    remoteAddress: from.actor?.remoteAddress ?? '',
  },
  action: from.action,
  target: from.target,
  detail: JSON.parse(from.detailJson || '{}') as Record<string, unknown>,
  hash: Buffer.from(from.hash ?? []).toString('hex'),
  origin: textOf(from.origin ?? ''),
});
