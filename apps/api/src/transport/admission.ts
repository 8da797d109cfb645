import { createHash } from 'node:crypto';
import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { Logger } from '@posthorn/server/logger.js';
import { Tracer } from '@posthorn/server/trace.js';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { firstValueFrom, from, type Observable } from 'rxjs';
import { type z } from 'zod';
import { NoteRefusals } from '../application/note-refusals.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { KeyQuota } from '../domain/key-quota.js';
import { hasScope, isOperatorFor, isOwnTenant, type Principal, type TenantRef } from '../domain/principal.js';
import { fieldsOf, invalid, unstorable } from './field-errors.js';
import { Answer, type Call, ROUTE, type RouteOptions } from './route.js';
import { readUpload, textOf } from './upload.js';

const IDEMPOTENCY_KEY_MAX = 255;
const NO_PRINCIPAL: Principal = { keyId: '', kind: 'tenant', scopes: [], tenant: undefined };
const NO_TENANT: TenantRef = { id: '', slug: '' };

/**
 * The way in for every operation, in this order: who calls, not too often, may they, is the request valid,
 * was it answered before. Handlers see only calls that passed all of it.
 */
@Injectable()
export class Admission implements NestInterceptor {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly quota: KeyQuota,
    private readonly refusals: NoteRefusals,
    private readonly tracer: Tracer,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const route = Reflect.getMetadata(ROUTE, context.getHandler()) as RouteOptions | undefined;
    return route === undefined ? next.handle() : from(this.trace(route, context, next));
  }

  private async trace(route: RouteOptions, context: ExecutionContext, next: CallHandler): Promise<unknown> {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const span = this.tracer.start(`${route.method} ${route.path}`, {
      kind: 'server',
      ...(typeof headers['traceparent'] === 'string' && { parent: headers['traceparent'] }),
    });
    try {
      const answer = await this.admit(route, context, next, span.traceparent);
      span.end();
      return answer;
    } catch (error) {
      span.end(undefined, error);
      throw error;
    }
  }

  private async admit(
    route: RouteOptions,
    context: ExecutionContext,
    next: CallHandler,
    traceparent: string,
  ): Promise<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest & { call: Call }>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    const params = request.params as Record<string, string>;
    const principal =
      route.access.principal === 'public'
        ? NO_PRINCIPAL
        : await this.authenticate(request.headers.authorization, request.ip);
    // Before a tenant is looked up by what Postgres cannot take.
    refuseUnstorable(params, ['path']);
    const tenant = await this.authorized(route, principal, params['tenant'], request.ip);
    request.call = {
      principal,
      tenant,
      params,
      query: parse(route.query, request.query, 'query'),
      body: bodyOf(route, request),
      remoteAddress: request.ip,
      idempotencyKey: route.method === 'POST' ? idempotencyKeyOf(request) : '',
      accept: request.headers.accept ?? '',
      traceparent,
    };
    const answer = await this.answerOnce(route, request, principal, next);
    void reply.status(answer.status);
    return answer.body;
  }

  private async authenticate(authorization: string | undefined, remoteAddress: string): Promise<Principal> {
    const token = /^Bearer ([\x21-\x7e]{1,512})$/i.exec(authorization ?? '')?.[1];
    const principal = token === undefined ? undefined : await this.tenants.authenticate(token);
    if (principal === undefined) {
      this.refusals.onUnauthenticated(remoteAddress);
      throw new AppError('principal.unauthenticated');
    }
    const waitMs = this.quota.take(principal.keyId, this.clock.monotonicMs());
    if (waitMs > 0) throw new AppError('quota.exceeded', { retryAfterMs: waitMs });
    return principal;
  }

  private async authorized(
    route: RouteOptions,
    principal: Principal,
    tenant: string | undefined,
    remoteAddress: string,
  ): Promise<TenantRef> {
    try {
      return await this.authorize(route, principal, tenant);
    } catch (error) {
      const isForbidden =
        error instanceof AppError && (error.code === 'principal.forbidden' || principal.kind === 'tenant');
      if (isForbidden) this.refusals.onForbidden(principal, remoteAddress, `${route.method} ${route.path}`);
      throw error;
    }
  }

  /** Wrong tenant is 404 and wrong scope 403: neither tells whether the thing exists elsewhere. */
  private async authorize(
    { access }: RouteOptions,
    principal: Principal,
    tenant: string | undefined,
  ): Promise<TenantRef> {
    if (access.principal === 'public') return NO_TENANT;
    if (access.principal === 'operator') {
      if (principal.kind !== 'operator') throw new AppError('principal.forbidden');
      if (!isOperatorFor(principal, access.scope)) throw lacking(access.scope);
      return tenant === undefined ? NO_TENANT : this.tenants.resolve(tenant);
    }
    if (tenant === undefined) throw new AppError('internal.error');
    if (principal.kind === 'tenant' && !isOwnTenant(principal, tenant))
      throw new AppError('tenant.not_found');
    if (!hasScope(principal, access.scope)) throw lacking(access.scope);
    if (principal.tenant !== undefined) return principal.tenant;
    const isLeft = access.isForDeleted === true && tenant.startsWith('ten_');
    return isLeft ? { id: tenant, slug: '' } : this.tenants.resolve(tenant);
  }

  private async answerOnce(
    route: RouteOptions,
    request: FastifyRequest & { call: Call },
    principal: Principal,
    next: CallHandler,
  ): Promise<Answer> {
    const key = request.call.idempotencyKey;
    const handle = async (): Promise<Answer> => {
      const body: unknown = await firstValueFrom(next.handle());
      return body instanceof Answer ? body : new Answer(route.status, body);
    };
    if (key === '' || route.isRepeatable === true) return handle();
    const fingerprint = createHash('sha256')
      .update(`${route.method} ${request.url}\n`)
      .update((request.body as Buffer | undefined) ?? '')
      .digest();
    const earlier = await this.tenants.beginRequest(principal.keyId, key, fingerprint);
    if (earlier !== undefined) return new Answer(earlier.status, earlier.body);
    let answer: Answer;
    try {
      answer = await handle();
    } catch (error) {
      await this.settle(this.tenants.forgetRequest(principal.keyId, key));
      throw error;
    }
    const shown = withoutSecrets(answer.body, route.secretPaths ?? []);
    await this.settle(this.tenants.completeRequest(principal.keyId, key, answer.status, shown));
    return answer;
  }

  /** What was done is done: the caller gets its answer, even when the key could not be written down. */
  private settle(writing: Promise<void>): Promise<void> {
    return writing.catch((err: unknown) => {
      this.log.warn({ err, stage: 'idempotency' }, 'the outcome of an idempotency key was not kept');
    });
  }
}

const lacking = (scope: string): AppError =>
  new AppError('principal.forbidden', { detail: `this needs the scope ${scope}` });

/** Empty without one. */
function idempotencyKeyOf({ headers }: FastifyRequest): string {
  const key = headers['idempotency-key'];
  if (key === undefined) return '';
  if (typeof key === 'string' && key.length > 0 && key.length <= IDEMPOTENCY_KEY_MAX) return key;
  throw invalid([{ path: 'header.Idempotency-Key', message: `1 to ${IDEMPOTENCY_KEY_MAX} characters` }]);
}

function bodyOf(route: RouteOptions, request: FastifyRequest): unknown {
  if (route.upload === undefined) return parse(route.body, jsonBody(route, request), 'body');
  return readUpload(
    request.headers['content-type'] ?? '',
    (request.body as Buffer | undefined) ?? Buffer.alloc(0),
  );
}

function jsonBody(route: RouteOptions, request: FastifyRequest): unknown {
  const raw = request.body as Buffer | undefined;
  if (route.body === undefined) return undefined;
  if (raw === undefined || raw.length === 0) return {};
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/(json|[\w.-]+\+json)(;|$)/i.test(type)) {
    throw new AppError('request.unsupported_media_type', { detail: 'send application/json' });
  }
  const text = textOf(raw);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new AppError('request.malformed', { detail: 'the body is not JSON', cause });
  }
}

/** @throws AppError `request.invalid` */
function refuseUnstorable(value: unknown, prefix: readonly string[]): void {
  const fields = unstorable(value, prefix);
  if (fields.length > 0) throw invalid(fields);
}

function parse(schema: z.ZodType | undefined, value: unknown, part: 'query' | 'body'): unknown {
  if (schema === undefined) return undefined;
  refuseUnstorable(value, part === 'query' ? ['query'] : []);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const prefix = part === 'query' ? ['query'] : [];
  throw invalid(result.error.issues.flatMap((issue) => fieldsOf(issue, prefix)));
}

/** A copy with null at every dotted path: a repeated answer must not show a secret twice. */
function withoutSecrets(body: unknown, paths: readonly string[]): unknown {
  const copy: unknown = structuredClone(body);
  for (const path of paths) {
    const names = path.split('.');
    const last = names.pop()!;
    let target: unknown = copy;
    for (const name of names) target = (target as Record<string, unknown> | undefined)?.[name];
    if (typeof target === 'object' && target !== null && last in target)
      (target as Record<string, unknown>)[last] = null;
  }
  return copy;
}
