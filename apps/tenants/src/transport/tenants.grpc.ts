import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';
import { idOfUuid } from '@posthorn/clock/id.js';
import {
  type CreateApiKeyRequest,
  type CreateApiKeyResponse,
  type CreateTenantRequest,
  type CreateTenantResponse,
  type DeleteApiKeyRequest,
  type DeleteApiKeyResponse,
  type DeleteTenantRequest,
  type DeleteTenantResponse,
  type GetTenantDeletionRequest,
  type GetTenantDeletionResponse,
  type GetTenantRequest,
  type GetTenantResponse,
  type ListApiKeysRequest,
  type ListApiKeysResponse,
  type ListTenantsRequest,
  type ListTenantsResponse,
  type SetTenantSendsPauseRequest,
  type SetTenantSendsPauseResponse,
  type SetTenantSuspensionRequest,
  type SetTenantSuspensionResponse,
  type UpdateTenantRequest,
  type UpdateTenantResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { CreateApiKey } from '../application/create-api-key.js';
import { CreateTenant } from '../application/create-tenant.js';
import { DeleteApiKey } from '../application/delete-api-key.js';
import { DeleteTenant } from '../application/delete-tenant.js';
import { ReadConfiguration } from '../application/read-configuration.js';
import { StopTenant } from '../application/stop-tenant.js';
import { UpdateTenant } from '../application/update-tenant.js';
import { type ApiKey } from '../domain/scope.js';
import { type Tenant } from '../domain/tenant.js';
import { actorOf, apiKeyMessage, appliedMessage, tenantMessage } from './messages.js';
import { byId, listPage } from './page.js';
import { present } from './patch.js';

const SERVICE = 'AdminService';

/** Tenants and their API keys. */
@Controller()
export class TenantController {
  constructor(
    private readonly read: ReadConfiguration,
    private readonly create: CreateTenant,
    private readonly update: UpdateTenant,
    private readonly remove: DeleteTenant,
    private readonly stop: StopTenant,
    private readonly createKey: CreateApiKey,
    private readonly deleteKey: DeleteApiKey,
  ) {}

  @GrpcMethod(SERVICE, 'createTenant')
  async createTenant(request: CreateTenantRequest): Promise<CreateTenantResponse> {
    const { slug, name, country, timeZone } = request;
    const made = await this.create.run(actorOf(request.actor), { slug, name, country, timeZone });
    return {
      tenant: tenantMessage(made.tenant),
      apiKey: apiKeyMessage(made.apiKey),
      apiKeySecret: made.token,
      applied: appliedMessage(made.applied),
    };
  }

  @GrpcMethod(SERVICE, 'listTenants')
  async listTenants(request: ListTenantsRequest): Promise<ListTenantsResponse> {
    const position = byId('ten', (tenant: Tenant) => tenant.tenantId);
    const { items, nextCursor } = await listPage(request, position, (page) => this.read.listTenants(page));
    return { tenants: items.map(tenantMessage), nextCursor };
  }

  @GrpcMethod(SERVICE, 'getTenant')
  async getTenant({ tenant }: GetTenantRequest): Promise<GetTenantResponse> {
    return { tenant: tenantMessage(await this.read.tenant(tenant)) };
  }

  @GrpcMethod(SERVICE, 'updateTenant')
  async updateTenant(request: UpdateTenantRequest): Promise<UpdateTenantResponse> {
    const { name, country, timeZone, intakeQuota: quota, media: policy } = request;
    const intakeQuota = quota?.ratePerSecond === 0 ? null : quota;
    const media = policy?.maxBytes === 0 ? null : policy;
    const patch = present({ name, country, timeZone, intakeQuota, media });
    const { tenant, applied } = await this.update.run(actorOf(request.actor), request.tenant, patch);
    return { tenant: tenantMessage(tenant), applied: appliedMessage(applied) };
  }

  @GrpcMethod(SERVICE, 'deleteTenant')
  async deleteTenant(request: DeleteTenantRequest): Promise<DeleteTenantResponse> {
    const { destroyedKeyIds, applied } = await this.remove.run(actorOf(request.actor), request.tenant);
    return { applied: appliedMessage(applied), destroyedKeyIds };
  }

  @GrpcMethod(SERVICE, 'getTenantDeletion')
  async getTenantDeletion({ tenantId }: GetTenantDeletionRequest): Promise<GetTenantDeletionResponse> {
    const { deletedAtMs, destroyedKeyIds, auditId } = await this.read.deletion(tenantId);
    return {
      ...{ tenantId, deletedAtMs, destroyedKeyIds: destroyedKeyIds.map((id) => idOfUuid('dek', id)) },
      auditId: auditId === null ? '' : idOfUuid('aud', auditId),
    };
  }

  @GrpcMethod(SERVICE, 'setTenantSuspension')
  async setTenantSuspension(request: SetTenantSuspensionRequest): Promise<SetTenantSuspensionResponse> {
    const { tenant: ref, suspended, reason } = request;
    const { tenant, applied } = await this.stop.setSuspended(actorOf(request.actor), ref, suspended, reason);
    return { tenant: tenantMessage(tenant), applied: appliedMessage(applied) };
  }

  @GrpcMethod(SERVICE, 'setTenantSendsPause')
  async setTenantSendsPause(request: SetTenantSendsPauseRequest): Promise<SetTenantSendsPauseResponse> {
    const { tenant: ref, paused, reason } = request;
    const { tenant, applied } = await this.stop.setSendsPaused(actorOf(request.actor), ref, paused, reason);
    return { tenant: tenantMessage(tenant), applied: appliedMessage(applied) };
  }

  @GrpcMethod(SERVICE, 'createApiKey')
  async createApiKey(request: CreateApiKeyRequest): Promise<CreateApiKeyResponse> {
    const { tenant, name, scopes, expiresAtMs } = request;
    const expiry = expiresAtMs === 0 ? null : expiresAtMs;
    const made = await this.createKey.run(actorOf(request.actor), tenant, name, scopes, expiry);
    return { apiKey: apiKeyMessage(made.apiKey), secret: made.token };
  }

  @GrpcMethod(SERVICE, 'listApiKeys')
  async listApiKeys(request: ListApiKeysRequest): Promise<ListApiKeysResponse> {
    const position = byId('key', (key: ApiKey) => key.apiKeyId);
    const { items, nextCursor } = await listPage(request, position, (page) =>
      this.read.listApiKeys(request.tenant, page),
    );
    return { apiKeys: items.map(apiKeyMessage), nextCursor };
  }

  @GrpcMethod(SERVICE, 'deleteApiKey')
  async deleteApiKey({ actor, tenant, id }: DeleteApiKeyRequest): Promise<DeleteApiKeyResponse> {
    await this.deleteKey.run(actorOf(actor), tenant, id);
    return {};
  }
}
