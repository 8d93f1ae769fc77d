// maildev, storing each message as it came: NAME.eml, and its recipients in NAME.to.
import fs from 'node:fs'
import path from 'node:path'
const [folder, chain, key, size, modules, clear, tls] = process.argv.slice(2)
const { MailDev } = await import(path.join(modules, 'maildev/dist/index.js'))

async function serve (port, options) {
  const kept = path.join(folder, `kept-${port}`)
  const server = new MailDev({
    smtp: +port, ip: '127.0.0.1', disableWeb: true, silent: true, mailDirectory: kept, maxMessageSize: +size, ...options
  })
  await server.start()
  const { smtp } = server.getServers()
  smtp.on('new', email => {
    const name = path.join(folder, 'mail', email.id)
    fs.writeFileSync(name + '.to', email.envelope.to.map(one => one.address + '\n').join(''))
    fs.renameSync(path.join(kept, email.id + '.eml'), name + '.part')
    fs.renameSync(name + '.part', name + '.eml')
  })
}

await serve(clear, {})
await serve(tls, { incomingSecure: true, incomingCert: chain, incomingKey: key })
