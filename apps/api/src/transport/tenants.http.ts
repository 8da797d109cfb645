import { Controller } from '@nestjs/common';
import { AppError } from '@posthorn/errors/app-error.js';
import { type z } from 'zod';
import { DeleteTenant } from '../application/delete-tenant.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { scopesNotToGive } from '../domain/principal.js';
import { actorOf, applied } from './applied.js';
import { tenantDeletion } from './receipts.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, type Page, page, pending } from './shapes.dto.js';
import {
  apiKey,
  apiKeyCreated,
  apiKeyOf,
  createApiKey,
  createTenant,
  tenant,
  tenantCreated,
  tenantOf,
  updateTenant,
} from './tenants.dto.js';

/** In a change: as many as the platform lets every tenant. */
const PLATFORM_QUOTA = { ratePerSecond: 0, burst: 0 };
/** In a change: media are not fetched any more. */
const NO_MEDIA = { maxBytes: 0 };
const operator = { principal: 'operator', scope: 'tenants:write' } as const;

/** Tenants (operators) and their API keys. */
@Controller()
export class TenantsController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly deleting: DeleteTenant,
  ) {}

  @Route({
    method: 'POST',
    path: '/v1/tenants',
    tag: 'Tenants',
    summary: 'Create a tenant and its first API key',
    access: operator,
    body: createTenant,
    status: 201,
    changesConfiguration: true,
    response: tenantCreated,
    errors: ['tenant.slug_taken'],
    secretPaths: ['apiKey.secret'],
  })
  async create(@CallOf() call: Call<z.infer<typeof createTenant>>) {
    const answer = await this.tenants.admin.createTenant(
      { ...call.body, actor: actorOf(call) },
      this.tenants.change,
    );
    return applied(
      201,
      { ...tenantOf(answer.tenant!), apiKey: { id: answer.apiKey!.id, secret: answer.apiKeySecret } },
      answer.applied,
    );
  }

  @Route({
    method: 'GET',
    path: '/v1/tenants',
    tag: 'Tenants',
    summary: 'List tenants',
    access: { principal: 'operator', scope: 'tenants:read' },
    query: page,
    status: 200,
    response: listOf(tenant),
  })
  async list(@CallOf() { query }: Call<unknown, Page>) {
    const answer = await this.tenants.admin.listTenants(
      { limit: query.limit, cursor: query.cursor ?? '' },
      this.tenants.read,
    );
    return { data: answer.tenants.map(tenantOf), nextCursor: answer.nextCursor || null };
  }

  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}',
    tag: 'Tenants',
    summary: 'One tenant',
    access: { principal: 'tenant', scope: 'tenant:read' },
    status: 200,
    response: tenant,
    errors: ['tenant.not_found'],
  })
  async get(@CallOf() call: Call) {
    return tenantOf(
      (await this.tenants.admin.getTenant({ tenant: call.tenant.id }, this.tenants.read)).tenant!,
    );
  }

  @Route({
    method: 'PATCH',
    path: '/v1/tenants/{tenant}',
    tag: 'Tenants',
    summary: 'Change a tenant',
    access: { principal: 'tenant', scope: 'tenant:write' },
    body: updateTenant,
    status: 200,
    changesConfiguration: true,
    response: tenant,
    errors: ['tenant.not_found'],
  })
  async update(@CallOf() call: Call<z.infer<typeof updateTenant>>) {
    const answer = await this.tenants.admin.updateTenant(
      {
        ...call.body,
        intakeQuota: call.body.intakeQuota === null ? PLATFORM_QUOTA : call.body.intakeQuota,
        media: call.body.media === null ? NO_MEDIA : call.body.media,
        ...{ actor: actorOf(call), tenant: call.tenant.id },
      },
      this.tenants.change,
    );
    return applied(200, tenantOf(answer.tenant!), answer.applied);
  }

  @Route({
    method: 'DELETE',
    path: '/v1/tenants/{tenant}',
    tag: 'Tenants',
    summary:
      'Delete a tenant: its keys at once, what it left in every service after that; with a signed receipt',
    access: operator,
    status: 200,
    changesConfiguration: true,
    response: tenantDeletion.extend({ pending }),
    errors: ['tenant.not_found'],
  })
  async delete(@CallOf() call: Call) {
    const { signed, applied: change } = await this.deleting.run(actorOf(call), call.tenant.id);
    return applied(200, signed, change);
  }

  @Route({
    method: 'POST',
    path: '/v1/tenants/{tenant}/api-keys',
    tag: 'API keys',
    summary:
      'Create an API key; it has only scopes of the key that makes it, and ends with that at the latest',
    access: { principal: 'tenant', scope: 'api-keys:write' },
    body: createApiKey,
    status: 201,
    response: apiKeyCreated,
    secretPaths: ['secret'],
  })
  async createKey(@CallOf() call: Call<z.infer<typeof createApiKey>>) {
    const { name, scopes, expiresAt } = call.body;
    const lacking = scopesNotToGive(call.principal, scopes);
    if (lacking.length > 0)
      throw new AppError('principal.forbidden', {
        detail: `your key lacks what it would give: ${lacking.join(', ')}`,
      });
    const answer = await this.tenants.admin.createApiKey(
      {
        actor: actorOf(call),
        tenant: call.tenant.id,
        name,
        scopes,
        expiresAtMs: expiresAt === undefined ? 0 : Date.parse(expiresAt),
      },
      this.tenants.change,
    );
    return { ...apiKeyOf(answer.apiKey!), secret: answer.secret };
  }

  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/api-keys',
    tag: 'API keys',
    summary: 'List API keys',
    access: { principal: 'tenant', scope: 'api-keys:read' },
    query: page,
    status: 200,
    response: listOf(apiKey),
  })
  async listKeys(@CallOf() { tenant: { id }, query }: Call<unknown, Page>) {
    const answer = await this.tenants.admin.listApiKeys(
      { tenant: id, limit: query.limit, cursor: query.cursor ?? '' },
      this.tenants.read,
    );
    return { data: answer.apiKeys.map(apiKeyOf), nextCursor: answer.nextCursor || null };
  }

  @Route({
    method: 'DELETE',
    path: '/v1/tenants/{tenant}/api-keys/{id}',
    tag: 'API keys',
    summary:
      'Revoke an API key now; keys that it made stay: the audit log names them, by its ID as the actor',
    access: { principal: 'tenant', scope: 'api-keys:write' },
    status: 204,
    errors: ['api_key.not_found'],
  })
  async deleteKey(@CallOf() call: Call) {
    await this.tenants.admin.deleteApiKey(
      { actor: actorOf(call), tenant: call.tenant.id, id: call.params['id']! },
      this.tenants.change,
    );
  }
}
