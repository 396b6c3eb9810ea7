/** The simulated files endpoint: each credential has its own, as at OpenAI each project has. */
import type { DeliveredAnswer } from './delivery.ts'
import { type EndpointCall, jsonAnswer, multipartOf, simulatedId } from './endpoint-call.ts'
import { REQUEST_ERRORS } from './refusals.ts'

export async function fileUpload(call: EndpointCall): Promise<DeliveredAnswer> {
  const form = await multipartOf(call)
  const file = form?.get('file')
  if (typeof file !== 'object' || file === null) return REQUEST_ERRORS.missing('file')
  const purpose = form?.get('purpose')
  if (typeof purpose !== 'string') return REQUEST_ERRORS.missing('purpose')
  const description = {
    id: `file-${simulatedId(call)}`,
    object: 'file',
    bytes: file.size,
    created_at: Math.floor(call.nowMs / 1_000),
    expires_at: null,
    filename: file.name,
    purpose,
    status: 'processed',
    status_details: null,
  }
  call.objects.files.set(description.id, { description, bytes: new Uint8Array(await file.arrayBuffer()) })
  return jsonAnswer(description)
}

export function fileList(call: EndpointCall): DeliveredAnswer {
  const descriptions = [...call.objects.files.values()].map((file) => file.description)
  return jsonAnswer({ object: 'list', data: descriptions, has_more: false })
}

export function fileDescription(call: EndpointCall, id: string): DeliveredAnswer {
  const file = call.objects.files.get(id)
  return file === undefined ? REQUEST_ERRORS.noSuchObject('File', id) : jsonAnswer(file.description)
}

export function fileContent(call: EndpointCall, id: string): DeliveredAnswer {
  const file = call.objects.files.get(id)
  if (file === undefined) return REQUEST_ERRORS.noSuchObject('File', id)
  return { head: { status: 200, headers: [['content-type', 'application/octet-stream']] }, body: file.bytes }
}

export function fileDeletion(call: EndpointCall, id: string): DeliveredAnswer {
  const isDeleted = call.objects.files.delete(id)
  return isDeleted ? jsonAnswer({ object: 'file', deleted: true, id }) : REQUEST_ERRORS.noSuchObject('File', id)
}
