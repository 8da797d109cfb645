import {
  type Actor,
  AdminServiceService,
  AuditAppendServiceService,
  AuditServiceService,
  IdempotencyServiceService,
  KeywordServiceService,
  NotificationServiceService,
  OperatorServiceService,
  PrincipalServiceService,
  ReceiptServiceService,
  type Source,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import {
  SourceFiguresServiceService,
  StatusServiceService,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type GrpcChannel, grpcClient } from '@posthorn/server/grpc-client.js';
import { type Principal, type TenantRef } from '../domain/principal.js';

/** A change waits up to 2 s for its watchers; the call must outlast that. */
const CHANGE_DEADLINE_MS = 5_000;
const READ_DEADLINE_MS = 2_000;
/** Thousands of audit entries hashed anew, or every key wrapped anew. */
const LONG_DEADLINE_MS = 30_000;

/** An answer given before under the same Idempotency-Key. */
export interface EarlierAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** Principals, idempotency keys and administration, all kept by the tenants service. */
export class TenantsClient {
  readonly status;
  readonly figures;
  readonly admin;
  readonly operators;
  readonly audits;
  readonly keywords;
  readonly receipts;
  readonly notifications;
  readonly change = { deadlineMs: CHANGE_DEADLINE_MS };
  readonly read = { deadlineMs: READ_DEADLINE_MS };
  readonly long = { deadlineMs: LONG_DEADLINE_MS };
  private readonly principals;
  private readonly idempotency;
  private readonly accesses;

  constructor(private readonly channel: GrpcChannel) {
    this.status = grpcClient(StatusServiceService, channel);
    this.figures = grpcClient(SourceFiguresServiceService, channel);
    this.admin = grpcClient(AdminServiceService, channel);
    this.operators = grpcClient(OperatorServiceService, channel);
    this.audits = grpcClient(AuditServiceService, channel);
    this.keywords = grpcClient(KeywordServiceService, channel);
    this.receipts = grpcClient(ReceiptServiceService, channel);
    this.notifications = grpcClient(NotificationServiceService, channel);
    this.accesses = grpcClient(AuditAppendServiceService, channel);
    this.principals = grpcClient(PrincipalServiceService, channel);
    this.idempotency = grpcClient(IdempotencyServiceService, channel);
  }

  onApplicationShutdown(): void {
    this.channel.onApplicationShutdown();
  }

  /** The principal of a bearer token, or undefined when the token is not valid. */
  async authenticate(token: string): Promise<Principal | undefined> {
    const answer = await this.principals.authenticate({ token }, this.read);
    if (answer.keyId === '') return undefined;
    return {
      keyId: answer.keyId,
      kind: answer.kind as Principal['kind'],
      scopes: answer.scopes,
      tenant: answer.tenantId === '' ? undefined : { id: answer.tenantId, slug: answer.tenantSlug },
    };
  }

  /**
   * Writes down that somebody is about to see personal data, or orders what several services do. Waited for before it
   * happens: what cannot be written down does not.
   * @param target the public ID of what is shown or changed. @returns `aud_…`
   */
  async recordAccess(
    actor: Actor,
    tenantId: string,
    action: string,
    target: string,
    detail: object = {},
  ): Promise<string> {
    const request = { actor, tenant: tenantId, action, target, detailJson: JSON.stringify(detail) };
    return (await this.accesses.recordAccess(request, this.read)).id;
  }

  /** @throws AppError `source.not_found` */
  async source(tenantId: string, id: string): Promise<Source> {
    const answer = await this.admin.getSource({ tenant: tenantId, id }, this.read);
    if (answer.source === undefined) throw new AppError('source.not_found');
    return answer.source;
  }

  /** Both names of a tenant. @throws AppError `tenant.not_found` */
  async resolve(tenant: string): Promise<TenantRef> {
    const answer = await this.admin.getTenant({ tenant }, this.read);
    return { id: answer.tenant!.id, slug: answer.tenant!.slug };
  }

  /**
   * Claims an Idempotency-Key.
   * @returns the answer given before, or undefined when this request is the first.
   * @throws AppError `idempotency.conflict` for another body, `idempotency.in_progress` for a running one.
   */
  async beginRequest(
    principalId: string,
    idempotencyKey: string,
    fingerprint: Buffer,
  ): Promise<EarlierAnswer | undefined> {
    const answer = await this.idempotency.beginRequest(
      { principalId, idempotencyKey, fingerprint },
      this.read,
    );
    if (answer.outcome === 'conflict') throw new AppError('idempotency.conflict');
    if (answer.outcome === 'in_progress')
      throw new AppError('idempotency.in_progress', { retryAfterMs: 1_000 });
    if (answer.outcome !== 'replay') return undefined;
    return {
      status: answer.status,
      body: answer.bodyJson === '' ? undefined : (JSON.parse(answer.bodyJson) as unknown),
    };
  }

  async completeRequest(
    principalId: string,
    idempotencyKey: string,
    status: number,
    body: unknown,
  ): Promise<void> {
    await this.idempotency.completeRequest(
      { principalId, idempotencyKey, status, bodyJson: body === undefined ? '' : JSON.stringify(body) },
      this.read,
    );
  }

  /** The request failed: the same key may be tried again. */
  async forgetRequest(principalId: string, idempotencyKey: string): Promise<void> {
    await this.idempotency.completeRequest(
      { principalId, idempotencyKey, status: 0, bodyJson: '' },
      this.read,
    );
  }
}
