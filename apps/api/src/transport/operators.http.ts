import { Controller } from '@nestjs/common';
import { AppError } from '@posthorn/errors/app-error.js';
import { type z } from 'zod';
import { TenantsClient } from '../clients/tenants.client.js';
import { mayGive } from '../domain/principal.js';
import { actorOf } from './applied.js';
import {
  createOperatorKey,
  keysRotated,
  operatorKey,
  operatorKeyCreated,
  operatorKeyOf,
  rotateKeys,
  rotateOperatorKey,
} from './operators.dto.js';
import { type Call, CallOf, Route } from './route.js';
import { listOf, msOf, type Page, page, pageOf } from './shapes.dto.js';

const operator = { principal: 'operator', scope: 'keys:write' } as const;
const BASE = '/v1/operators/keys';
const MORE = 'that key could do more than yours';

/** Keys of those who run the platform, and the keys that everything is kept under. */
@Controller()
export class OperatorsController {
  constructor(private readonly tenants: TenantsClient) {}

  @Route({
    method: 'GET',
    path: BASE,
    tag: 'Operators',
    summary: 'List operator keys',
    access: { principal: 'operator', scope: 'platform:read' },
    query: page,
    status: 200,
    response: listOf(operatorKey),
  })
  async list(@CallOf() { query }: Call<unknown, Page>) {
    const answer = await this.tenants.operators.listOperatorKeys(
      { limit: query.limit, cursor: query.cursor ?? '' },
      this.tenants.read,
    );
    return pageOf(answer.operatorKeys, operatorKeyOf, answer.nextCursor);
  }

  @Route({
    method: 'POST',
    path: BASE,
    tag: 'Operators',
    summary: 'Create an operator key; by a key that expires, one that ends with it at the latest',
    access: operator,
    body: createOperatorKey,
    status: 201,
    response: operatorKeyCreated,
    errors: ['limit.reached'],
    secretPaths: ['secret'],
  })
  async create(@CallOf() call: Call<z.infer<typeof createOperatorKey>>) {
    const { name, scopes, expiresAt } = call.body;
    if (!mayGive(call.principal, scopes)) throw new AppError('principal.forbidden', { detail: MORE });
    const answer = await this.tenants.operators.createOperatorKey(
      { actor: actorOf(call), name, scopes, expiresAtMs: msOf(expiresAt) },
      this.tenants.change,
    );
    return { ...operatorKeyOf(answer.operatorKey!), secret: answer.secret };
  }

  @Route({
    method: 'POST',
    path: `${BASE}/rotate`,
    tag: 'Operators',
    summary:
      'A new key like the former, which ends after the overlap; by a key that expires, it ends with that at the latest',
    access: operator,
    body: rotateOperatorKey,
    status: 201,
    response: operatorKeyCreated,
    errors: ['api_key.not_found', 'limit.reached'],
    secretPaths: ['secret'],
  })
  async rotate(@CallOf() call: Call<z.infer<typeof rotateOperatorKey>>) {
    const isOwn = ['', call.principal.keyId].includes(call.body.id);
    if (!isOwn && !mayGive(call.principal, [])) throw new AppError('principal.forbidden', { detail: MORE });
    const answer = await this.tenants.operators.rotateOperatorKey(
      { actor: actorOf(call), ...call.body },
      this.tenants.change,
    );
    return { ...operatorKeyOf(answer.operatorKey!), secret: answer.secret };
  }

  @Route({
    method: 'DELETE',
    path: `${BASE}/{id}`,
    tag: 'Operators',
    summary:
      'Revoke an operator key now; one that does not expire must stay, and what the key made stays, too',
    access: operator,
    status: 204,
    errors: ['api_key.not_found'],
  })
  async delete(@CallOf() call: Call) {
    await this.tenants.operators.deleteOperatorKey(
      { actor: actorOf(call), id: call.params['id']! },
      this.tenants.change,
    );
  }

  @Route({
    method: 'POST',
    path: '/v1/keys/rotate',
    tag: 'Operators',
    summary: 'Put every key under a new key-encryption key, while everything runs',
    access: operator,
    body: rotateKeys,
    status: 200,
    response: keysRotated,
  })
  async rotateAll(@CallOf() call: Call<z.infer<typeof rotateKeys>>) {
    return this.tenants.operators.rotateKeys(
      { actor: actorOf(call), newVersion: call.body.newVersion },
      this.tenants.long,
    );
  }
}
