// SPDX-License-Identifier: Apache-2.0
/* Worker images in Glance; what the core keeps with one is its property "wherry_image". */
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "image.h"
#include "json_format.h"
#include "openstack.h"

struct looking {
	struct openstack *o;
	struct cloud_images *out;
};

static int see(void *ctx, yyjson_val *image)
{
	const struct looking *l = ctx;
	struct cloud_image i = {.size = rest_number(image, "size"), .state = os_state_of(rest_text(image, "status"))};

	/* Those that other projects share are not ours to boot or to remove; an administrator's list has all. */
	if (rest_text(image, "wherry_image")[0] == '\0' || strcmp(rest_text(image, "owner"), l->o->project) != 0)
		return 0;
	snprintf(i.id, sizeof i.id, "%s", rest_text(image, "id"));
	snprintf(i.name, sizeof i.name, "%s", rest_text(image, "name"));
	snprintf(i.about, sizeof i.about, "%s", rest_text(image, "wherry_image"));
	snprintf(i.made, sizeof i.made, "%s", rest_text(image, "created_at"));
	snprintf(i.word, sizeof i.word, "%s", rest_text(image, "status"));
	if (strcmp(rest_text(image, "os_hash_algo"), "sha512") == 0)
		snprintf(i.sha512, sizeof i.sha512, "%s", rest_text(image, "os_hash_value"));
	*vec_push(&l->out->list) = i;
	return 0;
}

static int list(struct provider *p, struct cloud_images *out, struct err *e)
{
	struct looking l = {.o = os_of(p), .out = out};

	return os_each(l.o, OS_SAVED_IMAGE, "", see, &l, e);
}

/* docs.openstack.org/glance "useful image properties". */
static int create(struct provider *p, const struct image_bytes *bytes, struct cloud_image *image, struct err *e)
{
	cleanup(rest_doc_free) yyjson_doc *doc = NULL;
	cleanup(buf_fini) struct buf body = BUF_INIT;

	json_format_add(&body, "{'name':%s,'disk_format':%s,'container_format':'bare','min_ram':%d,'architecture':'x86_64','os_type':"
			"'linux','hw_disk_bus':'virtio','hw_vif_model':'virtio','hw_rng_model':'virtio','wherry_image':%s", image->name,
			bytes->format, WORKER_MEMORY_MIB, image->about);
	json_format_add(&body, strcmp(bytes->firmware, "any") != 0 ? ",'hw_firmware_type':%s}" : "}", bytes->firmware);
	if (os_call(os_of(p), OS_IMAGE, "POST", body.data, &doc, e, "/images") < 0)
		return err_wrap(e, "creating image %s in %s", image->name, p->place);
	snprintf(image->id, sizeof image->id, "%s", rest_text(yyjson_doc_get_root(doc), "id"));
	return 0;
}

static int send_bytes(struct provider *p, const struct cloud_image *image, const struct image_bytes *bytes, uint64_t *sent,
		      struct err *e)
{
	cleanup(cleanup_free) char *path = mem_printf("/images/%s/file", image->id);
	struct rest_call call = {.method = "PUT", .type = "application/octet-stream", .file = bytes->fd, .file_size = bytes->size,
				 .sent = bytes->sent, .ctx = bytes->ctx};

	*sent = bytes->size;
	return os_perform(os_of(p), OS_IMAGE, path, &call, NULL, e) == 0 ? 0 :
	       err_wrap(e, "sending image %s (%s) to %s", image->name, image->id, p->place);
}

static int take_away(struct provider *p, const struct cloud_image *image, struct err *e)
{
	return os_delete(os_of(p), OS_SAVED_IMAGE, image->id, e) == 0 ? 0 : err_wrap(e, "removing image %s (%s)", image->name, image->id);
}

int os_worker_image(struct provider *p, char id[RES_ID_SIZE], struct err *e)
{
	const char *image = os_of(p)->options.image;

	return image[0] != '\0' ? os_resolve(os_of(p), OS_SAVED_IMAGE, image, id, e) : image_choose(p, id, e);
}

const struct image_ops os_images = {
	.formats = (const char *const[]){"qcow2", "raw", NULL},
	.region_key = "region", .image_key = "image",
	.by_environment = true,
	.list = list, .create = create, .send = send_bytes, .remove = take_away,
	.of_workers = os_worker_image,
};
