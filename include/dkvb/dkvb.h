/**
 * @file
 * @brief The whole library: dkvb.h includes all other headers, except dkvb.hpp and reference.h.
 *
 * libdkvb makes classifiers that can forget. An encoder turns each input into a row of features, `float[dim]`. A
 * discrete key-value bottleneck turns each row into a short code. The trained values of the keys in a code are averaged
 * to logits, which give the class of the row. A class is forgotten by masking the (codebook, key) pairs that its rows
 * select, without any training.
 *
 * dkvb_fit() trains a model with settings that suit the data, in one call:
 *
 *     dkvb_fit(&model, &codeset, &rows, NULL, NULL, NULL);         // train a model on rows         fit.h
 *
 * Separate functions train a model step by step, and make the model forget a class:
 *
 *     dkvb_codebooks *cb;  dkvb_model *model;  dkvb_mask *mask;
 *
 *     dkvb_encoder_encode(encoder, images, n, x, NULL, NULL);      // make rows from pictures       encoder.h
 *     dkvb_codebooks_fit(&cb, x, n, dim, NULL, NULL);              // place the keys                codebooks.h
 *     dkvb_model_new(&model, cb, classes, NULL);                   // make an untrained model       model.h
 *     dkvb_search(cb, NULL, x, n, 1, codes, NULL, NULL);           // find the code of each row     search.h
 *     dkvb_model_train(model, codes, 1, labels, n, NULL, NULL);    // train the values on codes     values.h
 *     dkvb_model_predict(model, x, n, answers, NULL, NULL);        // classify rows                 model.h
 *
 *     dkvb_mask_new(&mask, cb);                                    // make an empty mask            mask.h
 *     dkvb_unlearn_choose(mask, model, &request, 100000, NULL);    // choose the pairs to mask      choose.h
 *     dkvb_model_forget(model, mask, NULL, &entry);                // mask the pairs in the model   unlearn.h
 *     dkvb_model_undo(model, entry, NULL);                         // undo the masking, bit for bit unlearn.h
 *     dkvb_model_purge(model);                                     // or make the mask permanent    unlearn.h
 *     dkvb_model_save(model, "m.dkvb");                            // write the model to a file     model.h
 *
 *     dkvb_audit_run(&report, model, NULL, &rows, NULL, NULL);     // measure what the model knows  audit.h
 *
 * The header reference.h declares linear heads to compare a model with. The functions for linear heads are in a second
 * library, libdkvb-reference.
 *
 * Every function that can fail returns a `dkvb_status`. dkvb_last_error() returns a sentence that tells a person why
 * the last call failed. Functions that end in `_free` free handles. Macros that end in `_INIT` set option structs to
 * their defaults. The functions of data.h read files of rows. Arrays that comments of the headers describe are
 * row-major. Comments of the headers use the letters of docs/method.md: n rows, m columns of a row, C codebooks, K keys
 * per codebook, d columns of a key, L classes, k keys selected per codebook.
 */
#ifndef DKVB_H
#define DKVB_H

#include "audit.h"
#include "calibration.h"
#include "choose.h"
#include "codebooks.h"
#include "codeset.h"
#include "data.h"
#include "effect.h"
#include "encoder.h"
#include "export.h"
#include "file.h"
#include "fit.h"
#include "images.h"
#include "init.h"
#include "live.h"
#include "mask.h"
#include "memory.h"
#include "model.h"
#include "plan.h"
#include "ranks.h"
#include "rows.h"
#include "receipt.h"
#include "replay.h"
#include "runtime.h"
#include "search.h"
#include "separation.h"
#include "status.h"
#include "sweep.h"
#include "table.h"
#include "unlearn.h"
#include "values.h"
#include "version.h"

#endif
