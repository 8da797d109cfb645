import { Controller } from '@nestjs/common';
import { type z } from 'zod';
import { TenantsClient } from '../clients/tenants.client.js';
import { actorOf, applied } from './applied.js';
import { dataKeyOf, rotateTenantKeys, tenantKeysRotated } from './keys.dto.js';
import { type Call, CallOf, Route } from './route.js';

/** The keys of one tenant. */
@Controller()
export class KeysController {
  constructor(private readonly tenants: TenantsClient) {}

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
}
