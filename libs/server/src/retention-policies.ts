import { formatId } from '@posthorn/clock/id.js';
import { PolicyServiceService } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { type GrpcChannel, grpcClient } from './grpc-client.js';

const DEADLINE_MS = 5_000;

/** How long a tenant keeps what: requests as they came, contents (addresses, texts), and what tells of them. Days. */
export interface RetentionDays {
  readonly rawDays: number;
  readonly contentDays: number;
  readonly eventDays: number;
}

/** What holds for a tenant that says nothing: requests as they came a month, the rest 13 months. */
export const DEFAULT_RETENTION_DAYS: RetentionDays = { rawDays: 30, contentDays: 396, eventDays: 396 };
const RETENTION_DAYS_MIN = 1;
const RETENTION_DAYS_MAX = 3_650;

/** What tenants want kept for how long: a part of the policy that compliance keeps. */
export class RetentionPolicies {
  private readonly policies;

  /** @param channel to compliance. */
  constructor(channel: GrpcChannel) {
    this.policies = grpcClient(PolicyServiceService, channel);
  }

  /** The whole policy in force, as JSON. @param tenantId 16 bytes. @throws AppError `service.unavailable` */
  async policyJson(tenantId: Buffer): Promise<string> {
    const call = { tenantId: formatId('ten', tenantId) };
    return (await this.policies.getPolicy(call, { deadlineMs: DEADLINE_MS })).policyJson;
  }
}

/**
 * The retention part of a tenant's policy, `{ "retention": { "rawDays", "contentDays", "eventDays" } }`; what it does
 * not say is the default.
 * Why here: every service that keeps something of a tenant has to read the same from it.
 * @returns undefined when it cannot be read: then nothing of that tenant may go.
 */
export function parseRetentionDays(policyJson: string): RetentionDays | undefined {
  const policy = asObject(parse(policyJson));
  if (policy === undefined) return undefined;
  const said = policy['retention'] === undefined ? {} : asObject(policy['retention']);
  if (said === undefined) return undefined;
  const { rawDays, contentDays, eventDays } = { ...DEFAULT_RETENTION_DAYS, ...said };
  return [rawDays, contentDays, eventDays].every(isDays) ? { rawDays, contentDays, eventDays } : undefined;
}

const isDays = (value: unknown): boolean =>
  Number.isInteger(value) &&
  (value as number) >= RETENTION_DAYS_MIN &&
  (value as number) <= RETENTION_DAYS_MAX;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const asObject = (value: unknown): Record<string, unknown> | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
