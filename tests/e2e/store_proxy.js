// SPDX-License-Identifier: Apache-2.0
//
// Between wherry, its worker and Azurite: store_proxy.js FOLDER PORT none|faults|leases. Tells its port on stdout, and each
// request as a line of JSON in FOLDER/seen: when, method, blob, bytes, whether Content-MD5 is the body's, what is done to a
// lease, which connection, which fault was made. leases: nobody's lease is renewed before somebody renews another blob's.
'use strict';
const fs = require('fs'), https = require('https'), crypto = require('crypto');
const [folder, port, script] = process.argv.slice(2);
const ca = fs.readFileSync(folder + '/ca.pem');
const agent = new https.Agent({ keepAlive: false, ca }); // one that was kept may be closed in the moment of its use
const began = Date.now();
let writes = 0, reads = 0, connections = 0;

// Which fault a request gets: by its number among the writes or reads, so that each is made, early and once.
const write_faults = { 2: '500', 3: 'cut', 4: 'lost', 5: 'md5', 6: '503', 8: '429' };
const read_faults = { 4: 'short', 6: 'cut' };

function choose(req) {
	if (script === 'none')
		return '';
	if (req.headers['x-ms-page-write'] === 'update')
		return write_faults[++writes] || '';
	return req.method === 'GET' && !req.url.includes('comp=') ? read_faults[++reads] || '' : '';
}

// Renewals that wait for one of another blob. Who has gone away waits no more.
let waiting = [];
function meet(req, blob, go) {
	waiting = waiting.filter((w) => !w.req.socket.destroyed && w.blob !== blob);
	waiting.push({ req, blob, go });
	if (waiting.length > 1)
		waiting.splice(0).forEach((w) => w.go());
}

function refuse(res, status, code, more) {
	res.writeHead(status, { 'x-ms-error-code': code, 'x-ms-request-id': 'proxy', ...more });
	res.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>Not now.</Message></Error>`);
}

function forward(req, body, fault, res) {
	const up = https.request({ host: '127.0.0.1', port, method: req.method, path: req.url, headers: req.headers, agent }, (r) => {
		const parts = [];
		r.on('data', (d) => parts.push(d));
		r.on('end', () => {
			const all = Buffer.concat(parts);
			if (fault === 'lost')
				return req.socket.destroy(); // done, and the answer is lost
			delete r.headers.connection; // that one ends; the client's does not
			res.writeHead(r.statusCode, r.headers);
			if (fault !== 'short')
				return res.end(all);
			res.write(all.subarray(0, all.length / 2), () => req.socket.destroy());
		});
	});
	up.on('error', () => req.socket.destroy());
	up.end(body);
}

const server = https.createServer({ cert: fs.readFileSync(folder + '/store.pem'), key: fs.readFileSync(folder + '/store.key') },
	(req, res) => {
		const parts = [], fault = choose(req);
		req.socket.number = req.socket.number || ++connections;
		req.on('data', (d) => parts.push(d));
		req.on('end', () => {
			const body = Buffer.concat(parts);
			const blob = req.url.split('?')[0].split('/').pop(), lease = req.headers['x-ms-lease-action'] || '';
			const sum = crypto.createHash('md5').update(body).digest('base64');
			fs.appendFileSync(folder + '/seen', JSON.stringify({
				at: Date.now() - began, method: req.method, blob, lease, page: req.headers['x-ms-page-write'] || '', length: body.length,
				md5: req.headers['content-md5'] === sum ? 'right' : 'wrong', connection: req.socket.number, fault,
				range: req.headers['x-ms-range'],
			}) + '\n');
			switch (fault) {
			case '500': return refuse(res, 500, 'InternalError', {});
			case '503': return refuse(res, 503, 'ServerBusy', { 'Retry-After': '1' });
			case '429': return refuse(res, 429, 'TooManyRequests', {});
			case 'md5': return refuse(res, 400, 'Md5Mismatch', {});
			case 'cut': return req.socket.destroy();
			}
			if (script === 'leases' && lease === 'renew')
				return meet(req, blob, () => forward(req, body, fault, res));
			return forward(req, body, fault, res);
		});
	});
server.listen(0, '127.0.0.1', () => console.log('port ' + server.address().port));
