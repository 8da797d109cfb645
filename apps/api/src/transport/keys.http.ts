import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { ComplianceClient } from '../clients/compliance.client.js';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf, applied } from './applied.js';
import {
  dataKeyOf,
  personKeyChange,
  personKeyChangeOf,
  personKeyRenewed,
  renewPersonKey,
  rotateTenantKeys,
  tenantKeysRotated,
} from './keys.dto.js';
import { type Call, CallOf, Route } from './route.js';

/** The keys of one tenant. */
@Controller()
export class KeysController {
  constructor(
    private readonly tenants: TenantsClient,
    private readonly compliance: ComplianceClient,
  ) {}

  @Route({
    method: 'POST',
    path: '/v1/tenants/{tenant}/keys/rotate',
    tag: 'Tenants',
    summary: "Renew a tenant's encryption keys, while everything runs",
    access: { principal: 'tenant', scope: 'tenant:write' },
    body: rotateTenantKeys,
    status: 200,
    changesConfiguration: true,
    response: tenantKeysRotated,
    errors: ['tenant.not_found', 'limit.reached'],
  })
  async rotate(@CallOf() call: Call<z.infer<typeof rotateTenantKeys>>) {
    const { dataKeys, secretKeyId, resealed, ...answer } = await this.tenants.admin.rotateTenantKeys(
      { actor: actorOf(call), tenant: call.tenant.id },
      this.tenants.change,
    );
    return applied(200, { dataKeys: dataKeys.map(dataKeyOf), secretKeyId, resealed }, answer.applied);
  }

  @Route({
    method: 'POST',
    path: '/v1/tenants/{tenant}/keys/persons/rotate',
    tag: 'Tenants',
    summary: "Change what the hashes of a tenant's persons are kept under, while everything runs",
    access: { principal: 'tenant', scope: 'tenant:write' },
    body: renewPersonKey,
    status: 200,
    changesConfiguration: true,
    response: personKeyRenewed,
    errors: ['tenant.not_found', 'person_key.moving'],
  })
  async renewPersonKey(@CallOf() call: Call<z.infer<typeof renewPersonKey>>) {
    const { generation, ...answer } = await this.tenants.admin.renewPersonKey(
      { actor: actorOf(call), tenant: call.tenant.id },
      this.tenants.change,
    );
    return applied(200, { generation }, answer.applied);
  }

  @Route({
    method: 'GET',
    path: '/v1/tenants/{tenant}/keys/persons',
    tag: 'Tenants',
    summary: 'How far that change is',
    access: { principal: 'tenant', scope: 'tenant:read' },
    status: 200,
    response: personKeyChange,
    errors: ['tenant.not_found'],
  })
  async personKeyChange(@CallOf() call: Call) {
    const { personQuery, call: options } = this.compliance;
    return personKeyChangeOf(await personQuery.getPersonKeyChange({ tenantId: call.tenant.id }, options));
  }
}
